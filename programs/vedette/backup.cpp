#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "base/files.hpp"
#include "commands.hpp"
#include "hosting/hosting.hpp"
#include "server/data_folder.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr int kMostRounds = 5;

struct BackupOptions {
  std::string data = "./vedette-data", out;
};

/// Models whose files are not among the objects.
std::vector<std::string> models_without_files(const DataFolder& folder) {
  const SystemClock clock;
  const auto metadata = open_sqlite_metadata(folder.metadata());
  const auto objects = open_filesystem_objects(folder.objects(), clock);
  std::vector<std::string> lacking;
  for (const auto& [scope, model] : metadata->read()->models().list_in_states(
           {ModelStatus::trained, ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::stopping_hosting})) {
    const auto files = objects->list(kSystemBucket, {artifact_prefix(model.uid), "", 1});
    if (!files || files->empty()) lacking.push_back(model_arn(scope, model.project, model.version));
  }
  return lacking;
}

void copy_if_there(const fs::path& from, const fs::path& to) {
  if (!fs::exists(from)) return;
  const auto content = read_file(from, 1 << 20);
  if (!content) throw std::runtime_error(content.error().message);
  if (auto ok = write_file_atomically(to, as_text(*content), 0600); !ok) throw std::runtime_error(ok.error().message);
}

void back_up(const BackupOptions& options) {
  const DataFolder from{fs::absolute(options.data)}, to{fs::absolute(options.out)};
  if (!fs::exists(from.node_id())) throw std::runtime_error("there is no Vedette data in " + options.data);
  if (fs::exists(to.root) && !fs::is_empty(to.root) && !fs::exists(to.metadata()))
    throw std::runtime_error(options.out + " is neither empty nor an earlier backup");
  if (fs::exists(to.lock()))
    throw std::runtime_error("a server has used " + options.out + ": it is no backup any more");
  ::umask(077);  // the copy is as secret as what it copies
  fs::create_directories(to.root);
  fs::permissions(to.root, fs::perms::owner_all);
  ObjectCopy copied;
  // A model that is deleted between the two copies would be in one only: once more then. One that lacks its files twice
  // has lost them: that is told, and keeps nobody from the rest.
  std::vector<std::string> lacking;
  for (int round = 0;; ++round) {
    sqlite::copy_database(from.metadata(), to.metadata());
    if (!fs::exists(from.objects())) break;  // they are in another S3 service
    const auto now = copy_filesystem_objects(from.objects(), to.objects());
    copied.files += now.files, copied.bytes += now.bytes;
    copied.missing = now.missing;
    auto still = models_without_files(to);
    const bool is_done = still.empty() || still == lacking || round + 1 == kMostRounds;
    lacking = std::move(still);
    if (is_done) break;
  }
  for (const auto& model : lacking)
    std::fprintf(stderr, "vedette: the server has lost the files of %s\n", model.c_str());
  constexpr std::size_t kMostNamed = 20;
  for (std::size_t i = 0; i < std::min(kMostNamed, copied.missing.size()); ++i)
    std::fprintf(stderr, "vedette: the server has lost the content of %s\n", copied.missing[i].c_str());
  if (copied.missing.size() > kMostNamed)
    std::fprintf(stderr, "vedette: and of %zu others\n", copied.missing.size() - kMostNamed);
  if (fs::exists(from.audit()))
    fs::copy(from.audit(), to.audit(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  copy_if_there(from.master_key(), to.master_key());
  copy_if_there(from.credentials(), to.credentials());
  copy_if_there(from.node_id(), to.node_id());  // last: a server takes a folder with it for whole
  std::printf("%s: %llu new files, %.1f MB\n", options.out.c_str(), static_cast<unsigned long long>(copied.files),
              static_cast<double>(copied.bytes) / 1e6);
}

}  // namespace

void add_backup(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("backup", "Copy a server's data folder while it runs");
  auto options = std::make_shared<BackupOptions>();
  command->add_option("--data", options->data, "The server's data folder")
      ->capture_default_str()
      ->envname("VEDETTE_DATA");
  command
      ->add_option("--out", options->out,
                   "Folder for the copy: empty, or an earlier backup, which is brought up to date")
      ->required();
  command->callback([options, &status] {
    back_up(*options);
    status = 0;
  });
}

}  // namespace vedette
