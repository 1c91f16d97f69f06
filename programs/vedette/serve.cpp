#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <chrono>

#include "base/log.hpp"
#include "commands.hpp"
#include "http/console_files.hpp"
#include "server/server.hpp"
#include "server_command.hpp"

namespace vedette {
namespace {

void serve(const ServerSettings& settings) {
  // Only this thread handles signals, below. They are blocked before any other thread is made, because new threads
  // inherit that.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Server server(settings, embedded::console_files());
  server.start();
  int received = 0;
  sigwait(&signals, &received);
  log::info("stopping", {{"signal", std::to_string(received)}});
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(server.drain() + std::chrono::milliseconds(999));
  const timespec longest{static_cast<time_t>(seconds.count()), 0};
  if (seconds.count() > 0) sigtimedwait(&signals, nullptr, &longest);
  server.stop();
  log::info("stopped");
}

}  // namespace

void add_serve(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("serve", "Run the server");
  auto settings = std::make_shared<ServerSettings>();
  add_server_options(*command, *settings);
  command->callback([settings, &status] {
    serve(*settings);
    status = 0;
  });
}

}  // namespace vedette
