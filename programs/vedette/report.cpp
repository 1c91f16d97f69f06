#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "base/files.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "model_files.hpp"
#include "pictures.hpp"
#include "vision/assess/assess.hpp"
#include "vision/report/report.hpp"

namespace vedette {
namespace {

struct ReportOptions {
  std::string model, out = "report.html";
  PictureOptions pictures;
  std::size_t shown = 60;
};

/// Throws unless the output is new or replaces an HTML page: a picture, a model's file or a folder must not be
/// overwritten.
void check_out(const std::string& out) {
  if (!std::filesystem::exists(std::filesystem::symlink_status(out))) return;
  std::ifstream file(out, std::ios::binary);
  std::string start(15, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  if (!std::filesystem::is_regular_file(out) || to_lower(start) != "<!doctype html>")
    throw std::runtime_error(out + " exists and is no HTML page; choose another name");
}

void report(const ReportOptions& options) {
  check_out(options.out);
  const bool is_given =
      !options.pictures.manifest.empty() || !options.pictures.normal.empty() || !options.pictures.anomaly.empty();
  auto evaluation = [&]() -> Result<Evaluation> {
    if (is_given)
      return evaluate_model(*load_model(options.model), read_pictures(options.pictures), true, kAllFormats, {});
    if (!std::filesystem::exists(std::filesystem::path(options.model) / "evaluation.json"))
      return invalid_input(
          options.model +
          " holds no evaluation.json, which `vedette train` writes; name labelled pictures to judge it on");
    return read_evaluation(options.model);
  }();
  if (!evaluation) throw std::runtime_error(evaluation.error().message);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto collected = collect_report(options.model, std::move(*evaluation), options.shown, cores);
  if (!collected) throw std::runtime_error(collected.error().message);
  if (auto ok = write_file_atomically(options.out, to_html(*collected)); !ok)
    throw std::runtime_error(ok.error().message);
  std::printf("%s\n", options.out.c_str());
}

}  // namespace

void add_report(CLI::App& app, int& status) {
  auto* command =
      app.add_subcommand("report", "Write an HTML page about a model: verdicts, heat maps, curves, contest, times");
  auto options = std::make_shared<ReportOptions>();
  command->add_option("MODEL_DIR", options->model, "Folder of the model, as `vedette train` wrote it")
      ->required()
      ->check(CLI::ExistingDirectory);
  add_picture_options(*command, options->pictures);
  command->add_option("--out", options->out, "HTML file to write")->capture_default_str();
  command->add_option("--pictures", options->shown, "How many pictures the page shows")
      ->capture_default_str()
      ->check(CLI::Range(0, 2'000));
  command->callback([options, &status] {
    report(*options);
    status = 0;
  });
}

}  // namespace vedette
