#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "store/metadata/metadata.hpp"

namespace vedette {

/// A store for tests of whatever writes. It runs each transaction twice: the first run is undone, as if another
/// transaction had got in its way when it was to be committed. A function that leaves something behind, or has moved
/// something out of what it captured, does not get through this unnoticed.
class RepeatingStore : public MetadataStore {
 public:
  explicit RepeatingStore(std::unique_ptr<MetadataStore> store) : store_(std::move(store)) {}
  using MetadataStore::look;
  using MetadataStore::read;
  std::unique_ptr<UnitOfWork> read() override { return store_->read(); }
  std::unique_ptr<UnitOfWork> look() override { return store_->look(); }
  void run_transaction(const std::function<bool(UnitOfWork&)>& function) override {
    store_->run_transaction([&](UnitOfWork& work) {
      function(work);
      return false;
    });
    store_->run_transaction(function);
  }

 private:
  const std::unique_ptr<MetadataStore> store_;
};

}  // namespace vedette
