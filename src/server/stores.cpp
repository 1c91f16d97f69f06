#include "server/stores.hpp"

#include <algorithm>
#include <stdexcept>

#include "jobs/lease.hpp"
#include "server/installation.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace fs = std::filesystem;

Stores::Stores(const ServerSettings& settings, const Clock& clock, const MonotonicClock& monotonic)
    : folder_{fs::absolute(settings.data)}, is_shared_(!settings.metadata.empty()) {
  const auto master_key = master_key_file(folder_, settings.master_key);
  fs::create_directories(folder_.root);
  fs::permissions(folder_.root, fs::perms::owner_all);
  lock_ = std::make_unique<FolderLock>(folder_.lock());

  const auto accepts = [&](const char* name) { return std::ranges::count(settings.accept_loss, name) > 0; };
  const AcceptedLosses accepted{
      .metadata = accepts("metadata"), .index = accepts("index"), .master_key = accepts("master-key")};
  bool is_new_key = false;
  if (is_shared_) {
    if (accepted.metadata)
      throw std::runtime_error(
          "--accept-loss metadata is for metadata in the data folder, and these are in PostgreSQL");
    check_folder_without_metadata(folder_);
    metadata_ = open_postgresql_metadata(settings.metadata);
    check_account(*metadata_, settings.account);
  } else {
    check_data_folder(folder_, accepted);
    metadata_ = open_sqlite_metadata(folder_.metadata(), clock);
    is_new_key = check_metadata(folder_, settings.account, *metadata_, accepted);
  }

  auto storage_settings = settings;
  storage_settings.storage.accept_lost_index = accepted.index;
  storage_ = std::make_unique<ObjectStorage>(storage_settings, folder_, clock);
  // A job that was cut off begins again in a new folder, or never, so that the old folders are of no use.
  fs::remove_all(folder_.jobs());

  ServerNode self;
  self.version = VEDETTE_VERSION;
  self.cores = settings.cores;
  self.objects = objects_place(settings);
  if (is_shared_) {
    self.id = node_id(folder_);
    join(self, clock, monotonic);
    check_company(*metadata_, self);
  }
  // Without an active key an earlier start was cut off after it had given the lost master key up.
  if (accepted.master_key && (!KeyRing::opens(*metadata_, clock, master_key) || !has_active_key(*metadata_))) {
    if (is_shared_) check_alone(*metadata_, self);
    give_up_master_key(folder_, *metadata_);
    is_new_key = true;
  }
  keys_ = std::make_unique<KeyRing>(*metadata_, is_shared_ ? nodes_->time() : clock, master_key);
  if (is_shared_ && !is_new_key) {
    make_first_administrator(folder_, settings.account, *metadata_, *keys_);
  } else {
    self.id = set_up(folder_, settings.account, *metadata_, *keys_, is_new_key);
  }
  // The lock of the folder keeps other servers away from the database in it.
  if (!is_shared_) join(self, clock, monotonic);
  nodes_->start();
  metadata_->write([&](UnitOfWork& work) { lease::take_back(work.jobs(), self.id + "/", work.now()); });
}

void Stores::join(const ServerNode& self, const Clock& clock, const MonotonicClock& monotonic) {
  using Company = NodeRegistry::Company;
  nodes_ =
      std::make_unique<NodeRegistry>(*metadata_, clock, monotonic, self, is_shared_ ? Company::nodes : Company::none);
}

std::optional<std::string> Stores::trouble() const {
  constexpr const char* kNoAnswer = "the database does not answer";
  try {
    metadata().read()->users().find("", "");
    const bool is_lost = !is_shared_ && (sqlite::is_damaged(folder_.metadata()) || !fs::exists(folder_.metadata()));
    if (is_lost || (buckets() && !buckets()->answers())) return kNoAnswer;
  } catch (const std::exception&) {
    return kNoAnswer;
  }
  return nodes_->trouble();
}

}  // namespace vedette
