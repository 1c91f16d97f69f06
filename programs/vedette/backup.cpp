#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "base/files.hpp"
#include "commands.hpp"
#include "server/data_folder.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/model_files/model_files.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr int kMostRounds = 5;

struct BackupOptions {
  std::string data = "./vedette-data", out;
};

/// Returns the models of the database `metadata_file` whose files are not among the objects of the folder.
std::vector<std::string> models_without_files(const fs::path& metadata_file, const DataFolder& folder) {
  const SystemClock clock;
  const auto metadata = open_sqlite_metadata(metadata_file);
  const auto objects = open_filesystem_objects(folder.objects(), clock);
  std::vector<std::string> lacking;
  for (const auto& [scope, model] : metadata->read()->models().list_in_states(
           {ModelStatus::trained, ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::stopping_hosting})) {
    const auto files = ModelFiles(*objects).list(model.uid);
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

bool is_within(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

/// Throws if the copy must not be written to its folder, because the folder holds anything but an earlier backup of the
/// same server.
void check_out(const DataFolder& from, const DataFolder& to, const BackupOptions& options) {
  const auto data = fs::canonical(from.root), out = fs::weakly_canonical(to.root);
  if (is_within(out, data) || is_within(data, out))
    throw std::runtime_error(options.out + " and the data folder " + options.data +
                             " must lie beside each other; choose another folder for the copy");
  if (!fs::exists(out)) return;
  if (!fs::is_directory(out)) throw std::runtime_error(options.out + " is a file, not a folder");
  if (fs::is_empty(out)) return;
  if (fs::exists(to.lock()))
    throw std::runtime_error("a server has used " + options.out + ": it is no backup any more");
  const auto id = read_file(from.node_id(), 100);
  const auto is_ours = [&](const fs::path& mark) {
    const auto known = read_file(mark, 100);
    return known && id && *known == *id;
  };
  if (is_ours(to.unfinished_backup()) || is_ours(to.node_id())) return;
  throw std::runtime_error(
      options.out +
      (fs::exists(to.node_id()) ? " is a backup of another server" : " is neither empty nor an earlier backup") +
      "; choose another folder for the copy");
}

void back_up(const BackupOptions& options) {
  const DataFolder from{fs::absolute(options.data)}, to{fs::absolute(options.out)};
  if (!fs::exists(from.node_id())) throw std::runtime_error("there is no Vedette data in " + options.data);
  if (!fs::exists(from.metadata()))
    throw std::runtime_error(from.metadata().string() +
                             " does not exist. Metadata in PostgreSQL are backed up there, and backup-nodes.sh does so "
                             "together with the objects (docs/postgresql.md)");
  check_out(from, to, options);
  ::umask(077);  // the copy is as secret as the data
  fs::create_directories(to.root);
  fs::permissions(to.root, fs::perms::owner_all);
  if (!fs::exists(to.node_id())) copy_if_there(from.node_id(), to.unfinished_backup());
  ObjectCopy copied;
  // If a model is deleted between the two copies, only one of them has it; then both copies are made once more. If a
  // model lacks its files both times, the server has lost them: the user is told, and all else is still copied.
  // The metadata of an earlier backup stays until the objects of the new one are there: a backup that is cut off leaves the
  // earlier one as it was.
  const auto next_metadata = to.root / "metadata.sqlite.next";
  const auto remove_next = [&] {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(next_metadata.string() + suffix);
  };
  std::vector<std::string> lacking;
  for (int round = 0;; ++round) {
    remove_next();
    sqlite::copy_database(from.metadata(), next_metadata);
    if (!fs::exists(from.objects())) break;  // The objects are in another S3 service.
    const auto now = copy_filesystem_objects(from.objects(), to.objects());
    copied.files += now.files, copied.bytes += now.bytes;
    copied.missing = now.missing;
    auto still = models_without_files(next_metadata, to);
    const bool is_done = still.empty() || still == lacking || round + 1 == kMostRounds;
    lacking = std::move(still);
    if (is_done) break;
  }
  sqlite::copy_database(next_metadata, to.metadata());
  remove_next();
  for (const auto& model : lacking)
    std::fprintf(stderr, "vedette: the server has lost the files of %s\n", model.c_str());
  constexpr std::size_t kMostNamed = 20;
  for (std::size_t i = 0; i < std::min(kMostNamed, copied.missing.size()); ++i)
    std::fprintf(stderr, "vedette: the server has lost the content of %s\n", copied.missing[i].c_str());
  if (copied.missing.size() > kMostNamed)
    std::fprintf(stderr, "vedette: the server has lost the content of %zu other objects\n",
                 copied.missing.size() - kMostNamed);
  if (fs::exists(from.audit()))
    fs::copy(from.audit(), to.audit(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  copy_if_there(from.master_key(), to.master_key());
  copy_if_there(from.credentials(), to.credentials());
  // This comes last, because a server takes a folder with this file for whole.
  copy_if_there(from.node_id(), to.node_id());
  fs::remove(to.unfinished_backup());  // is removed last, because a server refuses a folder that holds this file
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
