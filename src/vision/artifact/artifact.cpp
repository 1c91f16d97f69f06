#include "vision/artifact/artifact.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/mutex.hpp"

namespace vedette {
namespace fs = std::filesystem;
using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

namespace {

constexpr std::uint64_t kManifestLimit = 16ULL << 20;
constexpr std::uint64_t kBlobLimit = 2ULL << 30;
constexpr std::size_t kMostLabels =
    254;  // a byte per pixel says which label it has: 0 is the background, and 255 stays free
constexpr std::size_t kMostPools = 64;  // of one contestant
constexpr double kLargestNumber = 1e6;  // of those that scores are computed with
constexpr int kVersion = 7;
// These versions are read, too. Up to 5 a contestant had one pool; 4 had no sample_bits: the upper byte of 16-bit
// samples counted.
constexpr int kVersionOfOnePool = 5, kOldestVersion = 4;

Json to_json(const Manifest& m) {
  Json graph = Json::array();
  for (const auto& node : m.graph)
    graph.push_back({{"op", node.op},
                     {"output", node.output},
                     {"inputs", node.inputs},
                     {"tensors", node.tensors},
                     {"numbers", node.numbers}});
  Json contestants = Json::array();
  for (const auto& c : m.contestants) {
    Json pools = Json::array();
    for (const auto& p : c.pools)
      pools.push_back({{"fraction", p.fraction},
                       {"level_exponent", p.level_exponent},
                       {"location", p.location},
                       {"scale", p.scale},
                       {"weight", p.weight}});
    contestants.push_back(
        {{"name", c.name}, {"maps", c.maps}, {"pools", pools}, {"map_unit", c.map_unit}, {"map_weight", c.map_weight}});
  }
  Json golden = Json::array();
  for (const auto& g : m.golden) {
    golden.push_back({{"image", g.image}, {"anomaly_score", g.anomaly_score}});
    if (g.int8_score) golden.back()["int8_score"] = *g.int8_score;
  }
  Json out = {{"format", "vedette-model"},
              {"version", kVersion},
              {"image", {{"height", m.image_height}, {"width", m.image_width}, {"sample_bits", m.sample_bits}}},
              {"input", {{"height", m.input_height}, {"width", m.input_width}}},
              {"folds", m.folds},
              {"graph", graph},
              {"contestants", contestants},
              {"fusion_bias", m.fusion_bias},
              {"decision",
               {{"threshold", m.threshold},
                {"confidence_slope", m.confidence_slope},
                {"confidence_limit", m.confidence_limit}}},
              {"plausibility",
               {{"darkest", m.plausibility.darkest},
                {"brightest", m.plausibility.brightest},
                {"least_sharpness", m.plausibility.least_sharpness},
                {"highest_level", m.plausibility.highest_level}}},
              {"golden", golden},
              {"training", {{"decoder_steps", m.decoder_steps}}},
              {"tensors", m.tensors}};
  if (m.false_alarm_budget) out["training"]["false_alarm_budget"] = *m.false_alarm_budget;
  if (m.looks)
    out["looks"] = {{"pictures", m.looks->pictures},
                    {"anomaly_score", m.looks->anomaly_score},
                    {"level", m.looks->level},
                    {"brightness", m.looks->brightness},
                    {"sharpness", m.looks->sharpness}};
  if (m.bf16_agrees) out["agrees_with_fp32"]["bf16"] = *m.bf16_agrees;
  if (m.int8_agrees) out["agrees_with_fp32"]["int8"] = *m.int8_agrees;
  if (m.segmentation) {
    Json labels = Json::array();
    for (std::size_t l = 0; l < m.segmentation->labels.size(); ++l)
      labels.push_back({{"name", m.segmentation->labels[l].name},
                        {"color", m.segmentation->labels[l].color},
                        {"map_threshold", m.segmentation->thresholds[l].map},
                        {"peak_threshold", m.segmentation->thresholds[l].peak},
                        {"pixel_threshold", m.segmentation->thresholds[l].pixel},
                        {"pixel_peak_threshold", m.segmentation->thresholds[l].pixel_peak}});
    out["segmentation"] = {{"labels", labels}, {"class_maps", m.segmentation->class_maps}};
    if (!m.segmentation->details.empty()) out["segmentation"]["details"] = m.segmentation->details;
  }
  if (m.trained_threshold) out["decision"]["trained_threshold"] = *m.trained_threshold;
  return out;
}

Manifest from_json(const Json& j) {  // Throws Json::exception.
  Manifest m;
  m.image_height = j.at("image").at("height");
  m.image_width = j.at("image").at("width");
  m.sample_bits = j.at("version") == kOldestVersion ? 16 : j.at("image").at("sample_bits").get<int>();
  m.input_height = j.at("input").at("height");
  m.input_width = j.at("input").at("width");
  m.folds = j.at("folds");
  for (const auto& n : j.at("graph"))
    m.graph.push_back({n.at("op"), n.at("output"), n.at("inputs").get<std::vector<std::string>>(),
                       n.at("tensors").get<std::map<std::string, std::string>>(),
                       n.at("numbers").get<std::map<std::string, double>>()});
  const auto version = j.at("version").get<std::int64_t>();
  for (const auto& c : j.at("contestants")) {
    Contestant contestant{c.at("name"), c.at("maps").get<std::vector<std::string>>(), {}, 1, c.at("map_weight")};
    if (version <= kVersionOfOnePool) {
      const double location = c.at("location");
      contestant.pools = {
          {c.at("pool_fraction"), c.at("level_exponent"), location, c.at("scale"), c.at("score_weight")}};
      contestant.map_unit = std::exp(location);
    } else {
      for (const auto& p : c.at("pools"))
        contestant.pools.push_back(
            {p.at("fraction"), p.at("level_exponent"), p.at("location"), p.at("scale"), p.at("weight")});
      contestant.map_unit = c.at("map_unit");
    }
    m.contestants.push_back(std::move(contestant));
  }
  m.fusion_bias = j.at("fusion_bias");
  m.threshold = j.at("decision").at("threshold");
  m.confidence_slope = j.at("decision").at("confidence_slope");
  m.confidence_limit = j.at("decision").at("confidence_limit");
  if (j.at("decision").contains("trained_threshold"))
    m.trained_threshold = j["decision"]["trained_threshold"].get<double>();
  const auto& p = j.at("plausibility");
  m.plausibility = {p.at("darkest"), p.at("brightest"), p.at("least_sharpness"), p.at("highest_level")};
  if (j.contains("looks")) {
    const auto& looks = j["looks"];
    const auto list = [&](const char* name) { return looks.at(name).get<std::vector<double>>(); };
    m.looks = {looks.at("pictures"), list("anomaly_score"), list("level"), list("brightness"), list("sharpness")};
  }
  for (const auto& g : j.at("golden")) {
    m.golden.push_back({g.at("image"), g.at("anomaly_score")});
    if (g.contains("int8_score")) m.golden.back().int8_score = g["int8_score"].get<double>();
  }
  if (j.contains("agrees_with_fp32")) {
    const auto& agrees = j["agrees_with_fp32"];
    if (agrees.contains("bf16")) m.bf16_agrees = agrees["bf16"].get<bool>();
    if (agrees.contains("int8")) m.int8_agrees = agrees["int8"].get<bool>();
  }
  m.decoder_steps = j.at("training").at("decoder_steps");
  if (j["training"].contains("false_alarm_budget"))
    m.false_alarm_budget = j["training"]["false_alarm_budget"].get<double>();
  m.tensors = j.at("tensors").get<std::map<std::string, std::string>>();
  if (j.contains("segmentation")) {
    const auto& s = j["segmentation"];
    Segmentation segmentation;
    for (const auto& l : s.at("labels")) {
      segmentation.labels.push_back({l.at("name"), l.at("color")});
      segmentation.thresholds.push_back({l.at("map_threshold"), l.at("peak_threshold")});
      auto& thresholds = segmentation.thresholds.back();
      if (l.contains("pixel_threshold")) thresholds.pixel = l["pixel_threshold"];
      if (l.contains("pixel_peak_threshold")) thresholds.pixel_peak = l["pixel_peak_threshold"];
    }
    segmentation.class_maps = s.at("class_maps").get<std::vector<std::string>>();
    if (s.contains("details")) segmentation.details = s["details"].get<std::string>();
    m.segmentation = std::move(segmentation);
  }
  return m;
}

Error broken(const std::string& what) {
  return invalid_input("The model folder is damaged: " + what + ".");
}

/// Checks that every name that a manifest mentions exists, so that the engine may look things up without doubt.
Result<void> check_references(const Artifact& a) {
  const auto& m = a.manifest;
  const auto in_range = [](int v) { return v >= 8 && v <= 16384; };
  if (!in_range(m.image_height) || !in_range(m.image_width) || !in_range(m.input_height) || !in_range(m.input_width))
    return broken("a size is out of range");
  if (m.sample_bits < 8 || m.sample_bits > 16) return broken("the range of samples is not valid");
  if (m.folds < 1 || m.folds > 64 || m.contestants.empty())
    return broken("it has no contestants or a wrong number of folds");
  std::set<std::string> outputs = {"image"};
  for (const auto& node : m.graph) {
    for (const auto& input : node.inputs)
      if (!outputs.contains(input))
        return broken("node " + node.output + " reads " + input + ", which no earlier node makes");
    for (const auto& [role, name] : node.tensors)
      if (!a.tensors.contains(name)) return broken("node " + node.output + " lacks the tensor " + name);
    if (!outputs.insert(node.output).second) return broken("two nodes make " + node.output);
  }
  for (const auto& c : m.contestants) {
    if (static_cast<std::int64_t>(c.maps.size()) != m.folds)
      return broken("contestant " + c.name + " does not have one map per fold");
    for (const auto& map : c.maps)
      if (!outputs.contains(map)) return broken("contestant " + c.name + " names no output " + map);
    const auto is_possible = [](const Pool& p) {
      return p.scale >= 1 / kLargestNumber && p.scale <= kLargestNumber && p.fraction > 0 && p.fraction <= 1 &&
             p.level_exponent >= 0 && p.level_exponent <= 1 && std::abs(p.location) <= kLargestNumber &&
             std::abs(p.weight) <= kLargestNumber;
    };
    if (c.pools.empty() || c.pools.size() > kMostPools || !std::all_of(c.pools.begin(), c.pools.end(), is_possible) ||
        !(c.map_unit > 0))
      return broken("contestant " + c.name + " has a number that is out of range");
  }
  if (m.segmentation) {
    const auto& s = *m.segmentation;
    if (s.labels.empty() || static_cast<std::int64_t>(s.class_maps.size()) != m.folds)
      return broken("the segmentation does not have one class map per fold");
    if (s.labels.size() > kMostLabels) return broken("the segmentation has more labels than a mask can tell apart");
    for (const auto& map : s.class_maps)
      if (!outputs.contains(map)) return broken("the segmentation names no output " + map);
    if (!s.details.empty() && !outputs.contains(s.details))
      return broken("the segmentation names no output " + s.details);
  }
  if (m.looks)
    for (const auto* list : {&m.looks->anomaly_score, &m.looks->level, &m.looks->brightness, &m.looks->sharpness})
      if (m.looks->pictures < 1 || list->size() < 2 || !std::is_sorted(list->begin(), list->end()))
        return broken("what the training pictures look like is not valid");
  for (const auto& g : m.golden) {
    const auto it = a.tensors.find(g.image);
    if (it == a.tensors.end() || it->second.shape != std::vector<std::int64_t>{m.input_height, m.input_width, 3})
      return broken("a golden picture is missing");
  }
  return {};
}

/// Converts IEEE 754 binary16 to binary32; every half is a float. The product moves the exponent, also that of numbers
/// below the smallest normal half.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, size = (half & 0x7FFFU) << 13;
  const auto scaled = std::bit_cast<std::uint32_t>(std::bit_cast<float>(size) * 0x1p112F);
  return std::bit_cast<float>(sign | (size >= 31U << 23 ? size | 0x7F800000U : scaled));
}
/// Returns the half that is exactly this float, if there is one.
std::optional<std::uint16_t> as_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  const float size = std::abs(value);
  std::uint32_t half = 0;
  if (size < 0x1p-14F) {
    half = static_cast<std::uint32_t>(std::ldexp(size, 24));
  } else {
    half = ((bits >> 23 & 255U) - 112) << 10 | (bits >> 13 & 0x3FFU);
    if (!(size <= 65504.0F)) return {};
  }
  const auto result = static_cast<std::uint16_t>(sign | half);
  if (std::bit_cast<std::uint32_t>(from_half(result)) != bits) return {};
  return result;
}
/// Returns the values as halves if all of them are halves, as the backbone's are; otherwise nothing.
std::optional<std::string> as_halves(std::span<const float> values) {
  std::string out;
  for (float value : values) {
    const auto half = as_half(value);
    if (!half) return {};
    out.append(reinterpret_cast<const char*>(&*half), sizeof(*half));
  }
  return out;
}

}  // namespace

double Contestant::score_weight() const {
  double sum = 0;
  for (const auto& pool : pools) sum += pool.weight;
  return sum;
}

double Contestant::alone(std::span<const double> numbers) const {
  const bool counts = score_weight() > 0;
  double sum = 0;
  for (std::size_t p = 0; p < pools.size(); ++p)
    sum += (counts ? pools[p].weight : 1) * (numbers[p] - pools[p].location) / pools[p].scale;
  return sum;
}

Tensor Tensor::make(std::vector<std::int64_t> shape, std::vector<float> values) {
  const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  return {std::move(shape), {owner, owner->data()}, owner->size()};
}

std::string to_safetensors(const std::map<std::string, Tensor>& tensors) {
  Json header = Json::object();
  std::string data;
  const auto append = [&](const std::string& name, const Tensor& tensor, const char* type, std::string_view bytes) {
    const auto begin = data.size();
    data += bytes;
    header[name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  };
  // Floats come first, so that all of them are aligned and can stay in the file's bytes.
  std::map<std::string, std::string> halves;
  for (const auto& [name, tensor] : tensors) {
    if (auto all = as_halves(tensor.values()))
      halves.emplace(name, std::move(*all));
    else
      append(name, tensor, "F32", {reinterpret_cast<const char*>(tensor.data()), tensor.count * sizeof(float)});
  }
  for (const auto& [name, bytes] : halves) append(name, tensors.at(name), "F16", bytes);
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string out(8, '\0');
  const std::uint64_t length = text.size();
  std::memcpy(out.data(), &length, 8);
  return out + text + data;
}

Result<std::map<std::string, Tensor>> parse_safetensors(std::string_view bytes,
                                                        const std::shared_ptr<const void>& owner) {
  std::uint64_t length = 0;
  if (bytes.size() < 8) return broken("a blob is too short");
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8) return broken("a blob's header is longer than the file");
  if (length > kManifestLimit) return broken("a blob's header is too long");
  const Json header = Json::parse(bytes.substr(8, length), nullptr, false);
  if (!header.is_object()) return broken("a blob's header is not JSON");
  const std::string_view data = bytes.substr(8 + length);
  std::map<std::string, Tensor> out;
  try {
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
      const auto range = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
      std::uint64_t count = 1;
      // No product may come near its type's end: a count that wraps round to a small size would be read beyond the file.
      for (auto extent : shape) {
        if (extent < 0 || (extent > 0 && count > data.size() / static_cast<std::uint64_t>(extent)))
          return broken("tensor " + name + " has a shape that is not possible");
        count *= static_cast<std::uint64_t>(extent);
      }
      const bool is_half = entry.at("dtype") == "F16";
      if ((!is_half && entry.at("dtype") != "F32") || range.size() != 2 || range[0] > range[1] ||
          range[1] > data.size() || range[1] - range[0] != count * (is_half ? 2 : sizeof(float)))
        return broken("tensor " + name + " does not fit its blob");
      const char* begin = data.data() + range[0];
      if (owner && !is_half && reinterpret_cast<std::uintptr_t>(begin) % alignof(float) == 0) {
        out.emplace(name, Tensor{shape, {owner, reinterpret_cast<const float*>(begin)}, count});
        continue;
      }
      std::vector<float> values(count);
      if (is_half) {
        for (std::uint64_t i = 0; i < count; ++i) {
          std::uint16_t half = 0;
          std::memcpy(&half, begin + 2 * i, 2);
          values[i] = from_half(half);
        }
      } else if (count > 0) {
        std::memcpy(values.data(), begin, count * sizeof(float));
      }
      out.emplace(name, Tensor::make(shape, std::move(values)));
    }
  } catch (const Json::exception&) {
    return broken("a blob's header lacks members");
  }
  return out;
}

Result<void> write_artifact(const fs::path& folder, Manifest manifest, const std::map<std::string, Tensor>& tensors,
                            const std::vector<std::vector<std::string>>& blobs) {
  std::error_code code;
  fs::create_directories(folder / "blobs", code);
  if (code) return internal_error("cannot create " + (folder / "blobs").string() + ": " + code.message());
  manifest.tensors.clear();
  for (const auto& names : blobs) {
    std::map<std::string, Tensor> group;
    for (const auto& name : names) group.emplace(name, tensors.at(name));
    const std::string bytes = to_safetensors(group);
    const std::string hash = sha256_hex(bytes);
    if (auto ok = write_file_atomically(folder / "blobs" / (hash + ".safetensors"), bytes); !ok) return ok;
    for (const auto& name : names) manifest.tensors[name] = hash;
  }
  // The manifest comes last: a folder with a manifest is a whole model.
  return write_file_atomically(folder / "manifest.json", to_json(manifest).dump(1) + "\n");
}

namespace {

using Blob = std::shared_ptr<const std::map<std::string, Tensor>>;

/// Reads a blob's tensors, or returns those in memory if another model has the same blob.
Result<Blob> read_blob(const fs::path& path, const std::string& hash, bool check_hash) {
  static Mutex mutex;
  static std::map<std::string, std::weak_ptr<const std::map<std::string, Tensor>>> loaded GUARDED_BY(mutex);
  const auto find = [&]() -> Blob {
    const MutexLock lock(mutex);
    std::erase_if(loaded, [](const auto& entry) { return entry.second.expired(); });
    const auto it = loaded.find(hash);
    return it == loaded.end() ? nullptr : it->second.lock();
  };
  if (!check_hash)
    if (auto blob = find()) return blob;
  const auto file = load_file(path, kBlobLimit);
  if (!file) return broken("the blob " + hash.substr(0, 12) + " is missing");
  const auto bytes = (*file)->text();
  if (check_hash && sha256_hex(bytes) != hash) return broken("the blob " + hash.substr(0, 12) + " was changed");
  if (auto blob = find()) return blob;
  auto tensors = parse_safetensors(bytes, *file);
  if (!tensors) return tensors.error();
  auto blob = std::make_shared<const std::map<std::string, Tensor>>(std::move(*tensors));
  const MutexLock lock(mutex);
  loaded[hash] = blob;
  return Blob(blob);
}

Result<Bytes> read_manifest(const fs::path& folder) {
  auto text = read_file(folder / "manifest.json", kManifestLimit);
  if (!text && text.error().kind == ErrorKind::not_found)
    return invalid_input("There is no model in " + folder.string() + ".");
  return text;
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  try {
    if (json.at("format") != "vedette-model") return broken("it is not a Vedette model");
    const auto& version = json.at("version");
    if (!version.is_number_integer() || version < kOldestVersion || version > kVersion)
      return broken("it was written by another version of Vedette");
    return from_json(json);
  } catch (const Json::exception&) {
    return broken("manifest.json is incomplete");
  }
}

Result<void> move_threshold(const fs::path& folder, double threshold) {
  const auto text = read_manifest(folder);
  if (!text) return text.error();
  if (auto ok = parse_manifest(as_text(*text)); !ok) return ok.error();
  // The rest of the file stays as it is, also if an older version wrote it.
  Json json = Json::parse(as_text(*text));
  auto& decision = json["decision"];
  if (!decision.contains("trained_threshold")) decision["trained_threshold"] = decision["threshold"];
  decision["threshold"] = threshold;
  return write_file_atomically(folder / "manifest.json", json.dump(1) + "\n");
}

Result<Artifact> read_artifact(const fs::path& folder, bool check_hashes) {
  const auto text = read_manifest(folder);
  if (!text) return text.error();
  auto manifest = parse_manifest(as_text(*text));
  if (!manifest) return manifest.error();
  Artifact artifact;
  artifact.manifest = std::move(*manifest);
  std::set<std::string> hashes;
  for (const auto& [name, hash] : artifact.manifest.tensors) {
    if (hash.size() != 64 || !from_hex(hash)) return broken("the name of a blob is not a SHA-256");
    hashes.insert(hash);
  }
  for (const auto& hash : hashes) {
    auto blob = read_blob(folder / "blobs" / (hash + ".safetensors"), hash, check_hashes);
    if (!blob) return blob.error();
    for (const auto& [name, tensor] : **blob)
      if (auto it = artifact.manifest.tensors.find(name); it != artifact.manifest.tensors.end() && it->second == hash)
        artifact.tensors.emplace(name, tensor);
    artifact.blobs.push_back(std::move(*blob));
  }
  if (artifact.tensors.size() != artifact.manifest.tensors.size()) return broken("a tensor is missing from its blob");
  if (auto ok = check_references(artifact); !ok) return ok.error();
  return artifact;
}

}  // namespace vedette
