#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <thread>

#include "api_client.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "comparison.hpp"
#include "import_source.hpp"
#include "manifest/manifest.hpp"
#include "server/data_folder.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kMostNamed = 50;

struct ImportOptions {
  std::string source, project, bucket, manifest, test_manifest, evaluation;
  std::string endpoint = "http://127.0.0.1:8420", region = "us-east-1", data, ca_file;
  bool no_train = false, json = false;
};

/// Returns a bucket name for a project: lower case, without the characters that buckets may not have.
std::string bucket_for(const std::string& project) {
  std::string out = "import-";
  for (char c : to_lower(project)) out += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  while (out.back() == '-') out.pop_back();
  return out.substr(0, 63);
}

class Importer {
 public:
  Importer(const ImportOptions& options, ApiClient& client, ImportSource& source)
      : options_(options),
        client_(client),
        source_(source),
        bucket_(source.own_bucket().value_or(options.bucket.empty() ? bucket_for(options.project) : options.bucket)) {}

  void run() {
    const auto train = options_.manifest.empty() ? source_.find_manifest("train") : options_.manifest;
    const auto test = options_.test_manifest.empty() ? source_.find_manifest("test") : options_.test_manifest;
    if (!train)
      throw std::runtime_error("no train.manifest is in " + options_.source + "; name the manifest with --manifest");
    find_files({{"train", *train}, {"test", test && *test != *train ? *test : ""}});
    create_project();
    if (!source_.own_bucket()) client_.create_bucket(bucket_);
    import_dataset("train", *train);
    if (test && *test != *train) import_dataset("test", *test);
    if (options_.no_train) return;
    compare(train_model());
  }

 private:
  std::string path(const std::string& rest = "") const { return "/projects/" + uri_encode(options_.project) + rest; }

  /// Calls `create` and accepts that the thing exists already, so that an import that was cut off can be run again.
  void unless_exists(const std::function<void()>& create, const std::string& what) {
    try {
      create();
      std::fprintf(stderr, "%s\n", what.c_str());
    } catch (const ApiFailure& e) {
      if (e.name != "ConflictException") throw;
      std::fprintf(stderr, "%s: exists already\n", what.c_str());
    }
  }

  void create_project() {
    unless_exists(
        [&] {
          client_.call("POST", "/projects", {{"ProjectName", options_.project}});
        },
        "project " + options_.project);
  }

  /// Returns the new reference for an old one, after its file has become an object of the bucket. Fails if the file was
  /// not kept or cannot be used.
  Result<std::string> moved(const std::string& reference, const std::string& type) {
    const auto known = moved_.find(type + " " + reference);
    if (known != moved_.end()) return known->second;
    const auto file = files_.find({type, reference});
    if (file == files_.end()) return fail(ErrorKind::not_found, reference + " was not kept");
    const auto key = source_.to_object(file->second, bucket_, options_.project + "/");
    if (!key) return key.error();
    auto here = "s3://" + bucket_ + "/" + *key;
    old_name_[here] = reference;
    moved_[type + " " + reference] = here;
    return here;
  }

  /// Returns the names of a line's members that hold a mask: every member that has metadata of that kind, whatever its
  /// name.
  static std::vector<std::string> mask_members(const OrderedJson& line) {
    std::vector<std::string> out;
    for (const auto& [name, value] : line.items()) {
      const auto metadata = line.find(name + "-metadata");
      if (value.is_string() && metadata != line.end() && metadata->is_object() && metadata->contains("type") &&
          (*metadata)["type"] == "groundtruth/semantic-segmentation")
        out.push_back(name);
    }
    return out;
  }

  /// Fills files_ with the files that the references of all manifests mean. The references must be looked at together,
  /// because one alone does not show which others mean the same file.
  void find_files(const std::vector<std::pair<std::string, std::string>>& manifests) {
    std::set<Reference> references;
    for (const auto& [type, manifest] : manifests) {
      if (manifest.empty()) continue;
      const auto content = source_.read(manifest);
      for (const auto line : manifest_lines(content)) {
        const auto json = OrderedJson::parse(line.text, nullptr, false);
        if (!json.is_object() || !json.contains("source-ref") || !json["source-ref"].is_string())
          continue;  // the import reports this line later
        references.emplace(type, json["source-ref"]);
        for (const auto& name : mask_members(json)) references.emplace(type, json[name]);
      }
    }
    files_ = source_.find(references);
  }

  void import_dataset(const std::string& type, const std::string& manifest) {
    std::string text;
    std::size_t lines = 0, kept = 0;
    std::vector<std::string> missing;
    const auto content = source_.read(manifest);
    for (const auto line : manifest_lines(content)) {
      ++lines;
      auto json = OrderedJson::parse(line.text, nullptr, false);
      if (!json.is_object() || !json.contains("source-ref") || !json["source-ref"].is_string())
        throw std::runtime_error(manifest + ", line " + std::to_string(line.number) + ": no source-ref");
      const std::string reference = json["source-ref"];
      const auto image = moved(reference, type);
      if (!image) {
        missing.push_back(image.error().message);
        continue;
      }
      json["source-ref"] = *image;
      bool is_whole = true;
      for (const auto& name : mask_members(json)) {
        auto& value = json[name];
        if (const auto mask = moved(value, type)) {
          value = *mask;
        } else {
          missing.push_back(mask.error().message);
          is_whole = false;
        }
      }
      if (!is_whole) continue;
      text += json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
      if (++kept % 500 == 0) std::fprintf(stderr, "%s: %zu pictures\n", type.c_str(), kept);
    }
    for (std::size_t i = 0; i < missing.size() && i < kMostNamed; ++i)
      std::fprintf(stderr, "warning: %s; its line is left out\n", missing[i].c_str());
    if (missing.size() > kMostNamed)
      std::fprintf(stderr,
                   "warning: %zu more pictures and masks were not kept or cannot be read; their lines are left out\n",
                   missing.size() - kMostNamed);
    if (kept < lines)
      std::fprintf(stderr, "warning: %zu of the %zu lines of %s are left out\n", lines - kept, lines, manifest.c_str());
    if (kept == 0) throw std::runtime_error("none of the pictures of " + manifest + " is in " + options_.source);
    const auto key = options_.project + "/imported/" + type + ".manifest";
    client_.put_object(bucket_, key, text, "application/json");
    unless_exists(
        [&] {
          client_.call(
              "POST", path("/datasets"),
              {{"DatasetType", type},
               {"DatasetSource", {{"GroundTruthManifest", {{"S3Object", {{"Bucket", bucket_}, {"Key", key}}}}}}}});
        },
        type + " dataset of " + std::to_string(kept) + " pictures");
    const auto description = wait("/datasets/" + type, "DatasetDescription", "CREATE_IN_PROGRESS", false);
    if (description["Status"] == "CREATE_FAILED")
      throw std::runtime_error("the " + type + " dataset: " + description["StatusMessage"].get<std::string>());
    // The message names pictures that no training can use, and class names that Vedette does not know.
    std::fprintf(stderr, "%s dataset: %s\n", type.c_str(), description["StatusMessage"].get<std::string>().c_str());
  }

  Json wait(const std::string& what, const char* member, const char* busy, bool show) {
    std::string last;
    while (true) {
      auto description = client_.call("GET", path(what))[member];
      if (description["Status"] != busy) return description;
      const std::string message = description["StatusMessage"];
      if (show && message != last) std::fprintf(stderr, "%s\n", message.c_str());
      last = message;
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }

  Json train_model() {
    const auto model = client_.call(
        "POST", path("/models"),
        {{"OutputConfig", {{"S3Location", {{"Bucket", bucket_}, {"Prefix", options_.project + "/evaluation/"}}}}}});
    const std::string version = model["ModelMetadata"]["ModelVersion"];
    auto description = wait("/models/" + version, "ModelDescription", "TRAINING", true);
    if (description["Status"] != "TRAINED")
      throw std::runtime_error("the training failed: " + description["StatusMessage"].get<std::string>());
    return description;
  }

  void compare(const Json& model) {
    const auto& location = model["EvaluationManifest"];
    const auto after = read_evaluation(client_.get_object(location["Bucket"], location["Key"]));
    const auto old_file = options_.evaluation.empty() ? source_.find_evaluation("Manifest") : options_.evaluation;
    std::map<std::string, EvaluatedPicture> before;
    if (old_file)
      before = read_evaluation(source_.read(*old_file));
    else
      std::fprintf(stderr, "no old evaluation manifest was kept: there is nothing to compare with\n");
    std::map<std::string, ComparedPicture> pictures;  // The key is the old reference.
    for (const auto& [reference, picture] : before) pictures[reference] = {reference, &picture, nullptr};
    for (const auto& [reference, picture] : after) {
      const auto name = old_name(reference);
      auto& entry = pictures[name];
      entry.name = name;
      entry.after = &picture;
    }
    std::vector<ComparedPicture> list;
    for (const auto& [name, picture] : pictures) list.push_back(picture);
    const auto result_file = source_.find_evaluation("Result");
    print_comparison(list, result_file ? read_evaluation_result(source_.read(*result_file)) : std::nullopt,
                     training_notes(model["ModelVersion"]), options_.json);
  }

  /// Returns the name that the picture had before it was imported.
  std::string old_name(const std::string& reference) const {
    const auto old = old_name_.find(reference);
    return old == old_name_.end() ? reference : old->second;
  }

  /// Returns the notes of the training. If the server is of an earlier version, or if the user may not read the notes,
  /// there are none; the comparison does not need them.
  TrainingNotes training_notes(const std::string& version) {
    TrainingNotes notes;
    try {
      std::string token;
      do {
        const auto answer =
            client_.get_from_vedette(path("/models/" + version + "/evaluation"),
                                     "maxResults=1000" + (token.empty() ? "" : "&nextToken=" + uri_encode(token)));
        notes.warnings = answer.at("ModelEvaluation").at("Warnings").get<std::vector<std::string>>();
        for (const auto& picture : answer.at("Pictures")) {
          const auto name = old_name(picture.at("SourceRef"));
          if (picture.value("IsSuspect", false)) notes.suspects.push_back(name);
          if (picture.contains("SkippedReason"))
            notes.skipped.push_back(name + ": " + picture["SkippedReason"].get<std::string>());
        }
        token = answer.value("NextToken", "");
      } while (!token.empty());
    } catch (const ApiFailure& failure) {
      std::fprintf(stderr, "warning: what the training warned of cannot be shown: %s\n", failure.what());
    }
    return notes;
  }

  const ImportOptions& options_;
  ApiClient& client_;
  ImportSource& source_;
  const std::string bucket_;
  std::map<Reference, std::string> files_;       // The files that were kept.
  std::map<std::string, std::string> moved_;     // The new reference, by type and old reference.
  std::map<std::string, std::string> old_name_;  // The old name, by new reference.
};

ClientCredentials credentials_of(const ImportOptions& options) {
  auto found =
      options.data.empty() ? find_credentials() : read_credentials(DataFolder{options.data}.credentials(), "default");
  if (!found) throw std::runtime_error(found.error().message);
  return *found;
}

}  // namespace

void add_import(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "import",
      "Take over a project of the old service: datasets from exported manifests and pictures, a new model, and "
      "its verdicts beside the old ones");
  auto options = std::make_shared<ImportOptions>();
  command
      ->add_option("SOURCE", options->source,
                   "Folder with what was kept of the project, or s3://bucket/prefix on the server")
      ->required();
  command->add_option("--project", options->project, "Name of the project to make")->required();
  command->add_option("--bucket", options->bucket, "Bucket for pictures and results; default: import-<project>");
  command->add_option("--manifest", options->manifest, "Training manifest in SOURCE, if it is not found by its name");
  command->add_option("--test-manifest", options->test_manifest, "Test manifest in SOURCE");
  command->add_option("--evaluation", options->evaluation,
                      "Old evaluation manifest in SOURCE; default: that of the highest version");
  command->add_option("--endpoint", options->endpoint, "Address of the server")
      ->capture_default_str()
      ->envname("AWS_ENDPOINT_URL");
  command->add_option("--region", options->region, "Region of the project")
      ->capture_default_str()
      ->envname("AWS_DEFAULT_REGION");
  command->add_option("--data", options->data,
                      "The server's data folder, whose admin-credentials are used; default: the usual AWS credentials");
  command->add_option("--ca-file", options->ca_file, "Certificate authorities to trust (PEM)");
  command->add_flag("--no-train", options->no_train, "Make only the project and its datasets, and no model");
  command->add_flag("--json", options->json, "Print the comparison as JSON, one object per line");
  command->callback([options, &status] {
    ServiceClientOptions client_options;
    client_options.endpoint = options->endpoint;
    while (client_options.endpoint.ends_with('/')) client_options.endpoint.pop_back();
    client_options.region = options->region;
    client_options.credentials = credentials_of(*options);
    client_options.transport.ca_file = options->ca_file;
    ApiClient client(client_options);
    const auto source = ImportSource::open(options->source, client);
    Importer(*options, client, *source).run();
    status = 0;
  });
}

}  // namespace vedette
