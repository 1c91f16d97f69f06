#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "http_client/http_client.hpp"

extern char** environ;

/// Starts a server on a data folder, for programs that measure one.
namespace vedette {

template <typename T>
T required(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

class ServerProcess {
 public:
  ServerProcess(const std::string& program, const std::filesystem::path& data,
                const std::vector<std::string>& options = {}) {
    const auto log = data / "server.log";
    const std::string folder = data.string();
    std::vector<const char*> arguments = {program.c_str(), "serve",    "--data",
                                          folder.c_str(),  "--listen", "127.0.0.1:0"};
    for (const auto& option : options) arguments.push_back(option.c_str());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    const int failed =
        posix_spawn(&pid_, program.c_str(), &actions, nullptr, const_cast<char**>(arguments.data()), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) throw std::runtime_error("cannot start " + program);
    for (int i = 0; i < 600 && endpoint_.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      std::ifstream in(log);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      const std::string mark = "listening scheme=http address=";
      if (const auto at = text.find(mark);
          at != std::string::npos && text.find(' ', at + mark.size()) != std::string::npos)
        endpoint_ = "http://" + text.substr(at + mark.size(), text.find(' ', at + mark.size()) - at - mark.size());
    }
    if (endpoint_.empty()) throw std::runtime_error("the server did not start");
    credentials_ = required(read_credentials(data / "admin-credentials", "default"));
  }
  ~ServerProcess() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  [[nodiscard]] std::unique_ptr<ServiceClient> client() const {
    ServiceClientOptions options;
    options.endpoint = endpoint_;
    options.credentials = credentials_;
    return std::make_unique<ServiceClient>(options);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] const ClientCredentials& credentials() const { return credentials_; }

 private:
  pid_t pid_ = 0;
  std::string endpoint_;
  ClientCredentials credentials_;
};

}  // namespace vedette
