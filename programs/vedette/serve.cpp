#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "commands.hpp"
#include "data_folder.hpp"
#include "hosting/hosting.hpp"
#include "http/pipeline.hpp"
#include "http/server.hpp"
#include "jobs/jobs.hpp"
#include "service/job_handlers.hpp"
#include "service/service.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "training/training.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

struct ServeOptions {
  std::string data = "./vedette-data";
  std::string listen = "127.0.0.1:8420";
  std::string account = "123456789012";
  bool insecure_http = false;
  Quotas quotas;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
};

/// Two servers on one data folder would take each other's jobs and files.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::runtime_error("cannot open " + path.string() + ": " + std::strerror(errno));
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd_);
      throw std::runtime_error("another vedette serve uses " + path.parent_path().string());
    }
  }
  ~FolderLock() { ::close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

ServerOptions parse_listen(const ServeOptions& options) {
  const auto colon = options.listen.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(std::string_view(options.listen).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535)
    throw std::runtime_error("--listen wants ADDRESS:PORT, not " + options.listen);
  ServerOptions server;
  server.address = options.listen.substr(0, colon);
  if (server.address.size() > 2 && server.address.front() == '[' && server.address.back() == ']')
    server.address = server.address.substr(1, server.address.size() - 2);
  if (server.address == "localhost") server.address = "127.0.0.1";
  server.port = static_cast<std::uint16_t>(*port);
  const bool is_loopback = server.address.starts_with("127.") || server.address == "::1";
  if (!is_loopback && !options.insecure_http)
    throw std::runtime_error(
        "plain HTTP is offered on loopback only; put a TLS proxy in front, or say --insecure-http");
  return server;
}

void serve(const ServeOptions& options) {
  if (options.account.size() != 12 || options.account.find_first_not_of("0123456789") != std::string::npos)
    throw std::runtime_error("--account wants 12 digits");
  const ServerOptions server_options = parse_listen(options);

  // Signals are taken by this thread alone, below; blocked before any other thread is made.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const DataFolder folder{fs::absolute(options.data)};
  fs::create_directories(folder.root);
  fs::permissions(folder.root, fs::perms::owner_all);
  const FolderLock lock(folder.lock());
  const SystemClock clock;

  const auto metadata = open_sqlite_metadata(folder.metadata());
  const auto objects = open_filesystem_objects(folder.objects(), clock);
  KeyRing keys(*metadata, clock, folder.master_key());
  const std::string node = set_up(folder, options.account, *metadata, keys);
  {
    auto work = metadata->write();
    work->jobs().release_all(node + "/", clock.now());
    work->commit();
  }

  const std::string worker = node + "/" + random_id(8);
  JobWorker imports(*metadata, clock, kImportJob, worker, make_import_handler(*metadata, *objects, clock));
  JobWorker trainings(*metadata, clock, kTrainingJob, worker,
                      make_training_handler(*metadata, *objects, clock, folder.jobs(), find_trainer()));
  Hosting hosting(*metadata, *objects, folder.model_cache(), options.threads);
  LookoutVision lookout_vision(*metadata, *objects, hosting, clock, options.quotas, [&] {
    imports.wake();
    trainings.wake();
  });
  lookout_vision.finish_deletions();
  Pipeline pipeline(keys, clock, lookout_vision, *objects, {options.account});
  HttpServer server(pipeline, server_options);

  hosting.start();
  imports.start();
  trainings.start();
  server.start();
  log::info("listening", {{"address", server_options.address + ":" + std::to_string(server.port())},
                          {"data", folder.root.string()},
                          {"credentials", folder.credentials().string()}});

  int received = 0;
  sigwait(&signals, &received);
  log::info("stopping", {{"signal", std::to_string(received)}});
  server.stop();
  imports.stop();
  trainings.stop();
  hosting.stop();
  log::info("stopped");
}

}  // namespace

std::string set_up(const DataFolder& folder, const std::string& account, MetadataStore& metadata, KeyRing& keys) {
  if (auto id = read_file(folder.node_id(), 100)) return std::string(trim(as_text(*id)));
  {
    auto work = metadata.write();
    if (work->users().insert({account, kAdministrator, kAdministratorPolicy})) work->commit();
  }
  const auto key = keys.create_key(account, kAdministrator);
  if (!key) throw std::runtime_error(key.error().message);
  const auto text =
      "[default]\naws_access_key_id = " + key->access_key_id + "\naws_secret_access_key = " + key->secret + "\n";
  if (auto ok = write_file_atomically(folder.credentials(), text, 0600); !ok)
    throw std::runtime_error(ok.error().message);
  const auto id = random_id(12);
  if (auto ok = write_file_atomically(folder.node_id(), id + "\n"); !ok) throw std::runtime_error(ok.error().message);
  return id;
}

void add_serve(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("serve", "Run the server");
  auto options = std::make_shared<ServeOptions>();
  command->add_option("--data", options->data, "Folder for everything the server keeps")
      ->capture_default_str()
      ->envname("VEDETTE_DATA");
  command->add_option("--listen", options->listen, "ADDRESS:PORT to listen on; port 0 takes any free one")
      ->capture_default_str()
      ->envname("VEDETTE_LISTEN");
  command->add_option("--account", options->account, "Account number, 12 digits, in ARNs")
      ->capture_default_str()
      ->envname("VEDETTE_ACCOUNT");
  command->add_flag("--insecure-http", options->insecure_http, "Offer plain HTTP beyond loopback, too");
  command->add_option("--threads", options->threads, "Threads for one detection")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--trainings-at-once", options->quotas.trainings_at_once,
                   "Trainings per region that may be under way")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_option("--inference-units", options->quotas.inference_units, "Most inference units of one model")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  command->callback([options, &status] {
    serve(*options);
    status = 0;
  });
}

}  // namespace vedette
