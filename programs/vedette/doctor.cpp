#include "doctor/doctor.hpp"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "server_command.hpp"

namespace vedette {
namespace {

using doctor::Level;

struct DoctorOptions {
  ServerSettings settings;
  bool is_json = false, has_references = false;
};

void print(const nlohmann::json& json) {
  std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

/// Returns the exit status: 0 if all is well, 1 with warnings, 2 if something failed.
int examine(const DoctorOptions& options) {
  int counts[3] = {0, 0, 0};
  const auto depth = options.has_references ? doctor::Depth::references : doctor::Depth::usual;
  doctor::examine(options.settings, depth, [&](const doctor::Finding& finding) {
    ++counts[static_cast<int>(finding.level)];
    if (options.is_json)
      print({{"check", finding.check}, {"result", to_text(finding.level)}, {"message", finding.message}});
    else
      std::printf("%-8s %-12s %s\n", to_text(finding.level), finding.check.c_str(), finding.message.c_str());
    std::fflush(stdout);  // so that nobody wonders during a check that takes long
  });
  if (options.is_json)
    print({{"ok", counts[0]}, {"warnings", counts[1]}, {"failed", counts[2]}});
  else
    std::printf("%d checks are ok, %d warn, %d failed.\n", counts[0], counts[1], counts[2]);
  return counts[2] > 0 ? 2 : counts[1] > 0 ? 1 : 0;
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "doctor", "Look at everything that a server depends on; takes the options of serve, and changes nothing");
  auto options = std::make_shared<DoctorOptions>();
  add_server_options(*command, options->settings);
  command->add_flag("--references", options->has_references,
                    "Also read all models, and look for each picture of a dataset, in the S3 service");
  command->add_flag("--json", options->is_json, "Print one JSON object per finding, and last the counts");
  command->callback([options, &status] { status = examine(*options); });
}

}  // namespace vedette
