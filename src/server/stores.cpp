#include "server/stores.hpp"

#include <algorithm>

#include "jobs/lease.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace fs = std::filesystem;

Stores::Stores(const ServerSettings& settings, const Clock& clock, const MonotonicClock& monotonic)
    : folder_{fs::absolute(settings.data)} {
  fs::create_directories(folder_.root);
  fs::permissions(folder_.root, fs::perms::owner_all);
  lock_ = std::make_unique<FolderLock>(folder_.lock());

  const auto accepts = [&](const char* name) { return std::ranges::count(settings.accept_loss, name) > 0; };
  const AcceptedLosses accepted{
      .metadata = accepts("metadata"), .index = accepts("index"), .master_key = accepts("master-key")};
  check_data_folder(folder_, accepted);
  metadata_ = open_sqlite_metadata(folder_.metadata(), clock);
  const bool is_metadata_lost = check_metadata(folder_, settings.account, *metadata_, accepted);

  auto storage_settings = settings;
  storage_settings.storage.accept_lost_index = accepted.index;
  storage_ = std::make_unique<ObjectStorage>(storage_settings, folder_, clock);
  // A job that was cut off begins again in a new folder, or never, so that the old folders are of no use.
  fs::remove_all(folder_.jobs());

  // Without an active key an earlier start was cut off after it had given the lost master key up.
  const bool is_master_key_lost =
      accepted.master_key && (!KeyRing::opens(*metadata_, clock, folder_.master_key()) || !has_active_key(*metadata_));
  if (is_master_key_lost) give_up_master_key(folder_, *metadata_);
  keys_ = std::make_unique<KeyRing>(*metadata_, clock, folder_.master_key());
  ServerNode self;
  self.id = set_up(folder_, settings.account, *metadata_, *keys_, is_metadata_lost || is_master_key_lost);
  self.version = VEDETTE_VERSION;
  self.cores = settings.cores;
  // The lock of the folder keeps other servers away from the database in it.
  nodes_ = std::make_unique<NodeRegistry>(*metadata_, clock, monotonic, self, NodeRegistry::Company::none);
  nodes_->start();
  metadata_->write([&](UnitOfWork& work) { lease::take_back(work.jobs(), self.id + "/", work.now()); });
}

std::optional<std::string> Stores::trouble() const {
  constexpr const char* kNoAnswer = "the database does not answer";
  try {
    metadata().read()->users().find("", "");
    if (sqlite::is_damaged(folder_.metadata()) || !fs::exists(folder_.metadata()) ||
        (buckets() && !buckets()->answers()))
      return kNoAnswer;
  } catch (const std::exception&) {
    return kNoAnswer;
  }
  return nodes_->trouble();
}

}  // namespace vedette
