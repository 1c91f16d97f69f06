#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "commands.hpp"
#include "model_files.hpp"
#include "pictures.hpp"
#include "vision/assess/assess.hpp"

namespace vedette {
namespace {

struct EvaluateOptions {
  std::string model;
  PictureOptions pictures;
  bool json = false;
};

void evaluate(const EvaluateOptions& options) {
  const auto samples = read_pictures(options.pictures);
  const auto engine = load_model(options.model);
  const auto start = std::chrono::steady_clock::now();
  auto evaluation = evaluate_model(
      *engine, samples, true, kAllFormats, [&](std::size_t done, const TrainingPicture& sample, const Detection& d) {
        if (options.json)
          std::printf("%s\n", nlohmann::json{{"image", sample.source_ref},
                                             {"class", *sample.is_anomalous ? "anomaly" : "normal"},
                                             {"is_anomalous", d.is_anomalous},
                                             {"confidence", d.confidence},
                                             {"anomaly_score", d.anomaly_score}}
                                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                                  .c_str());
        else if (done % 50 == 0)
          std::fprintf(stderr, "%zu of %zu\n", done, samples.size());
      });
  if (!evaluation) throw std::runtime_error(evaluation.error().message);
  evaluation->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double ms = 1000 * evaluation->seconds / static_cast<double>(evaluation->testing_images);
  if (!options.json) {
    print_evaluation(*evaluation);
    std::printf("%-18s %.1f\n", "ms per picture", ms);
  }
  auto summary = nlohmann::json::parse(summary_json(*evaluation));
  summary["ms_per_image"] = ms;
  if (!evaluation->labels.empty()) {
    auto aiou = nlohmann::json::object();
    for (const auto& l : evaluation->labels) aiou[l.name] = l.aiou ? nlohmann::json(*l.aiou) : nlohmann::json();
    summary["aiou"] = aiou;
  }
  std::printf("%s\n", summary.dump().c_str());
}

}  // namespace

void add_evaluate(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("evaluate", "Judge a model on labelled pictures");
  auto options = std::make_shared<EvaluateOptions>();
  command->add_option("MODEL_DIR", options->model, "Folder or archive (.zip) of the model")
      ->required()
      ->check(CLI::ExistingPath);
  add_picture_options(*command, options->pictures);
  command->add_flag("--json", options->json, "Print one JSON object per picture, then the summary");
  command->callback([options, &status] {
    evaluate(*options);
    status = 0;
  });
}

}  // namespace vedette
