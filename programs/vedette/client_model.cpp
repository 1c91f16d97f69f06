#include "api/client_model.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "api/lookoutvision/messages.hpp"
#include "api/vedette/messages.hpp"
#include "base/clock.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "commands.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

/// Renames a file that is to be replaced, if it holds something else, since it may be the vendor's file from an old
/// SDK. The new name holds the time.
void keep_other(const fs::path& path, const std::string& content) {
  constexpr std::uint64_t kLargest = 16 << 20;
  if (!fs::exists(fs::symlink_status(path))) return;
  if (const auto there = read_file(path, kLargest); there && as_text(*there) == content) return;
  const auto kept = path.string() + ".before-" + to_basic_iso8601(SystemClock().now());
  if (fs::exists(fs::symlink_status(kept))) throw std::runtime_error(kept + " is there already; try again");
  fs::rename(path, kept);
  std::fprintf(stderr, "what was there is kept as %s\n", kept.c_str());
}

}  // namespace

void add_client_model(CLI::App& app, int&) {
  auto* command = app.add_subcommand("client-model", "Service models for SDKs that no longer contain the service");
  command->require_subcommand(1);
  const char* home = std::getenv("HOME");
  auto folder = std::make_shared<std::string>(std::string(home ? home : ".") + "/.aws/models");
  auto* install = command->add_subcommand(
      "install", "Write the models of lookoutvision and vedette where botocore (boto3, AWS CLI) looks for them");
  install->add_option("--dir", *folder, "Folder for the models; if it is not the default, AWS_DATA_PATH must name it")
      ->capture_default_str();
  install->callback([folder] {
    for (const auto* model : {&lookoutvision::api_model(), &extension::api_model()}) {
      const auto target = fs::path(*folder) / model->service() / model->version();
      fs::create_directories(target);
      for (const auto& file : botocore_model(*model)) {
        keep_other(target / file.name, file.content);
        if (auto ok = write_file_atomically(target / file.name, file.content); !ok)
          throw std::runtime_error(ok.error().message);
        std::printf("%s\n", (target / file.name).c_str());
      }
    }
  });
}

}  // namespace vedette
