#include "server/stores.hpp"

#include <algorithm>

#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace fs = std::filesystem;

Stores::Stores(const ServerSettings& settings, const Clock& clock) : folder_{fs::absolute(settings.data)} {
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
  node_ = set_up(folder_, settings.account, *metadata_, *keys_, is_metadata_lost || is_master_key_lost);

  metadata_->write([&](UnitOfWork& work) { work.jobs().release_all(node_ + "/", work.now()); });
}

bool Stores::answer() const {
  try {
    metadata().read()->users().find("", "");
    return !sqlite::is_damaged(folder_.metadata()) && fs::exists(folder_.metadata()) &&
           (!buckets() || buckets()->answers());
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace vedette
