#include "api/client_model.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "api/lookoutvision/messages.hpp"
#include "api/vedette/messages.hpp"
#include "base/files.hpp"
#include "commands.hpp"

namespace vedette {
namespace fs = std::filesystem;

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
        if (auto ok = write_file_atomically(target / file.name, file.content); !ok)
          throw std::runtime_error(ok.error().message);
        std::printf("%s\n", (target / file.name).c_str());
      }
    }
  });
}

}  // namespace vedette
