#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/objects/objects.hpp"

namespace vedette {

/// For tests: a store that passes everything on to another one. What derives from it watches some calls, or has them fail.
class ForwardingStore : public ObjectStore {
 public:
  explicit ForwardingStore(ObjectStore& inner) : inner_(inner) {}
  Result<bool> has_bucket(const std::string& bucket) override { return inner_.has_bucket(bucket); }
  Result<std::unique_ptr<StagedObject>> stage() override { return inner_.stage(); }
  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override {
    return inner_.put(bucket, key, std::move(content), attributes, condition);
  }
  Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version_id) override {
    return inner_.head(bucket, key, version_id);
  }
  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override {
    return inner_.get(bucket, key, version_id);
  }
  Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) override {
    return inner_.get_start(bucket, key, length);
  }
  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override {
    return inner_.list(bucket, request);
  }
  Result<Removed> remove(const std::string& bucket, const std::string& key,
                         const std::optional<std::string>& version_id) override {
    return inner_.remove(bucket, key, version_id);
  }

 protected:
  ObjectStore& inner_;
};

}  // namespace vedette
