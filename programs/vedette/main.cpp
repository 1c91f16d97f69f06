#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>

#include "base/file_tree.hpp"
#include "commands.hpp"

namespace {

/// Makes sure that standard input, output and error are open, whoever started this program. Otherwise the first sockets
/// or files would get their numbers, and would be written to, or handed on, as if they were standard output.
void open_standard_files() {
  int fd = 0;
  while ((fd = ::open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) {
  }
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_files();
  CLI::App app("Vedette finds defects in pictures of manufactured parts.");
  app.require_subcommand(1);
  app.set_version_flag("--version", VEDETTE_VERSION);
  int status = 0;
  vedette::add_serve(app, status);
  vedette::add_user(app, status);
  vedette::add_key(app, status);
  vedette::add_policy(app, status);
  vedette::add_client_model(app, status);
  vedette::add_import(app, status);
  vedette::add_sample(app, status);
  vedette::add_convert(app, status);
  vedette::add_train(app, status);
  vedette::add_rebase(app, status);
  vedette::add_evaluate(app, status);
  vedette::add_detect(app, status);
  vedette::add_report(app, status);
  vedette::add_bench(app, status);
  vedette::add_backup(app, status);
  vedette::add_metadata(app, status);
  vedette::add_migrate(app, status);
  vedette::add_doctor(app, status);
  vedette::add_objects(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const std::filesystem::filesystem_error& e) {
    std::fprintf(stderr, "vedette: %s: %s\n", e.path1().empty() ? "a file" : vedette::to_name(e.path1()).c_str(),
                 e.code() == std::errc::too_many_symbolic_link_levels ? "a link here leads back to itself"
                                                                      : e.code().message().c_str());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vedette: %s\n", e.what());
    return 1;
  }
  return status;
}
