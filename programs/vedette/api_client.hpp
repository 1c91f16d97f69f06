#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "http_client/http_client.hpp"

namespace vedette {

/// The error answer of a service that refused a call.
struct ApiFailure : std::runtime_error {
  ApiFailure(std::string n, const std::string& message) : std::runtime_error(n + ": " + message), name(std::move(n)) {}
  std::string name;  ///< A name such as "ConflictException".
};

/// Makes the few calls of a Vedette server that the local tools need, through its public API as every client does.
/// Every function throws ApiFailure if the server refuses the call, and std::runtime_error if the server cannot be
/// reached. Only one thread may use it.
class ApiClient {
 public:
  explicit ApiClient(ServiceClientOptions options) : client_(std::move(options)) {}

  /// Makes a call of `lookoutvision`. `path` begins below the API version: "/projects/p".
  nlohmann::json call(const char* method, const std::string& path, const nlohmann::json& body = nullptr);
  /// Makes a reading call of the service `vedette`. `path` begins below the API version.
  nlohmann::json get_from_vedette(const std::string& path, const std::string& query);

  void create_bucket(const std::string& bucket);  ///< It is no error if the bucket exists.
  void put_object(const std::string& bucket, const std::string& key, std::string_view content, const std::string& type);
  std::string get_object(const std::string& bucket, const std::string& key);
  /// Returns the MD5 of an object's content, or nothing if there is no such object.
  std::optional<std::string> etag(const std::string& bucket, const std::string& key);
  std::vector<std::string> list_keys(const std::string& bucket, const std::string& prefix);

 private:
  nlohmann::json send(const ServiceClient::Call& call);
  HttpResponse s3(const char* method, const std::string& bucket, const std::string& key, const std::string& query = "",
                  std::string_view body = {}, const HeaderList& headers = {});
  ServiceClient client_;
};

}  // namespace vedette
