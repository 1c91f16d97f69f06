// This benchmark measures how good verdicts are, and what they cost, on the rendered sample set and, where they are at
// hand, on the public sets with the protocols of docs/vision.md. It trains with `vedette-trainer` and judges with
// `vision/infer`. It prints one JSON object per set and seed, then mean and deviation per set.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/files.hpp"
#include "base/text.hpp"
#include "pictures.hpp"
#include "training/training.hpp"
#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/render/render.hpp"
#include "vision/render/surfaces.hpp"
#include "vision/verdict/verdict.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Samples = std::vector<vedette::TrainingPicture>;

constexpr int kTileHeight = 320, kTileWidth = 288;  // These sides are about the median of the tiles' sides.

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename T>
T required(vedette::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

struct Protocol {
  Samples train, test;
};

Protocol from_manifests(const fs::path& folder) {
  return {vedette::read_manifest_pictures(folder / "manifests/train.manifest", ""),
          vedette::read_manifest_pictures(folder / "manifests/test.manifest", "")};
}

/// Makes a copy of a picture or mask, stretched to the tiles' common size.
fs::path stretched(const fs::path& from, const fs::path& to) {
  const auto image = required(vedette::decode_image(required(vedette::read_file(from, 64 << 20)), {8, 16384}));
  const auto png = required(vedette::encode_png(to_image(vedette::resize_to_planes(image, kTileHeight, kTileWidth))));
  if (auto ok = vedette::write_file_atomically(to, vedette::as_text(png)); !ok)
    throw std::runtime_error(ok.error().message);
  return to;
}

/// Reads the magnetic tiles (Huang, Qiu, Yuan 2020), which have a folder per class and masks as PNG of the same name.
/// The tiles differ in size, so copies of one size are made in `work`.
Protocol magnetic_tiles(const fs::path& folder, const fs::path& work, std::size_t normals, std::size_t defects) {
  Protocol p;
  const std::vector<std::string> classes = {"free", "blowhole", "break", "crack", "fray", "uneven"};
  for (const auto& name : classes) {
    std::vector<fs::path> pictures;
    for (const auto& picture : vedette::list_pictures(folder / name))
      if (picture.extension() == ".jpg") pictures.push_back(picture);
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      vedette::TrainingPicture s;
      s.source_ref = name + "/" + pictures[i].filename().string();
      const auto copy = work / (name + "-" + pictures[i].stem().string());
      s.image = stretched(pictures[i], copy.string() + ".png");
      s.is_anomalous = name != "free";
      if (*s.is_anomalous) {
        s.mask = stretched(fs::path(pictures[i]).replace_extension(".png"), copy.string() + "-mask.png");
        s.mask_colors = {{name, "#ffffff"}};
        s.is_binary_mask = true;
      }
      (i < (*s.is_anomalous ? defects : normals) ? p.train : p.test).push_back(std::move(s));
    }
  }
  return p;
}

/// Makes large pictures with tiny defects: parts of one rendered surface of 4096 × 4096, a third of them damaged over
/// 12 to 24 pixels.
Protocol tiny_defects(const fs::path& work, std::uint64_t seed) {
  constexpr int kSurfaceSide = 4096, kSide = 3072;
  constexpr std::size_t kTrain = 36, kTest = 36;
  using namespace vedette;
  const auto surface =
      render::render_surface(render::kSurfaces[seed % render::kSurfaces.size()], seed, kSurfaceSide, kSurfaceSide);
  const auto part = [&](Random& r) {
    const auto y0 = static_cast<int>(r.below(kSurfaceSide - kSide)),
               x0 = static_cast<int>(r.below(kSurfaceSide - kSide));
    RgbImage out{kSide, kSide, {}};
    for (int y = 0; y < kSide; ++y)
      out.pixels.insert(out.pixels.end(), surface.at(y0 + y, x0), surface.at(y0 + y, x0) + std::size_t{3} * kSide);
    return out;
  };
  const auto keep = [](const fs::path& to, const Result<Bytes>& bytes) {
    if (auto ok = write_file_atomically(to, as_text(required(bytes))); !ok)
      throw std::runtime_error(ok.error().message);
    return to;
  };
  Protocol p;
  for (std::size_t i = 0; i < kTrain + kTest; ++i) {
    Random r = Random(seed).fork(i);
    auto image = part(r);
    const auto foreign = part(r);
    TrainingPicture s;
    s.source_ref = std::to_string(i);
    s.is_anomalous = i % 3 == 0;
    if (*s.is_anomalous) {
      Grid<std::uint8_t> truth;
      do {
        const render::Damage damage{render::kFills[r.below(render::kFills.size())],
                                    render::kOutlines[r.below(render::kOutlines.size())],
                                    r.uniform(0.05, 0.95) * kSide,
                                    r.uniform(0.05, 0.95) * kSide,
                                    r.uniform(12, 24),
                                    r.uniform(0.5, 1)};
        truth = render::damage(image, damage, foreign, r.fork(1));
      } while (std::count(truth.values.begin(), truth.values.end(), 1) < 40);
      RgbImage mask{kSide, kSide, {}};
      for (auto v : truth.values) mask.pixels.insert(mask.pixels.end(), 3, v != 0 ? 255 : 0);
      s.mask = keep(work / (s.source_ref + "-mask.png"), encode_png(mask));
      s.mask_colors = {{"defect", "#ffffff"}};
      s.is_binary_mask = true;
    }
    s.image = keep(work / (s.source_ref + ".jpg"), encode_jpeg(image, 95));
    (i < kTrain ? p.train : p.test).push_back(std::move(s));
  }
  return p;
}

/// Keeps all good pictures and the first `most` anomalous pictures of each label.
void keep_defects(std::vector<vedette::TrainingPicture>& samples, std::size_t most) {
  std::map<std::string, std::size_t> seen;
  std::erase_if(samples, [&](const auto& s) {
    std::string label;
    for (const auto& color : s.mask_colors)
      if (color.name != "BACKGROUND") label = color.name;
    return s.is_anomalous.value_or(false) && seen[label]++ >= most;
  });
}

/// Counts, of the defective pictures that were called so, in which share something is marked, and in which share the
/// largest labelled area has the right class.
class ClassTally {
 public:
  explicit ClassTally(const vedette::Manifest& manifest) : manifest_(manifest) {}
  void add(const vedette::TrainingPicture& sample, const vedette::Detection& detection) {
    const auto named = std::find_if(sample.mask_colors.begin(), sample.mask_colors.end(),
                                    [](const auto& c) { return c.name != "BACKGROUND"; });
    if (!manifest_.segmentation || !*sample.is_anomalous || named == sample.mask_colors.end() ||
        !detection.is_anomalous)
      return;
    auto areas = vedette::measure_areas(manifest_.segmentation->labels, *detection.label_map);
    areas.erase(areas.begin());  // the background
    const auto largest = std::max_element(areas.begin(), areas.end(),
                                          [](const auto& x, const auto& y) { return x.fraction < y.fraction; });
    found_ += 1;
    marked_ += areas.empty() ? 0 : 1;
    right_ += !areas.empty() && largest->name == named->name ? 1 : 0;
  }
  void report(json& out) const {
    if (found_ > 0) out["right_class"] = right_ / found_, out["marked"] = marked_ / found_;
  }

 private:
  const vedette::Manifest& manifest_;
  double found_ = 0, right_ = 0, marked_ = 0;
};

/// Returns the AUROC over pictures of each contestant alone, all folds together, by how much of the map its score
/// averages.
json contest(const vedette::Engine& engine, const Protocol& protocol) {
  const auto& m = engine.manifest();
  constexpr std::array fractions = {0.001, 0.01, 0.05, 0.2, 1.0};
  std::vector<std::array<std::vector<double>, fractions.size()>> scores(m.contestants.size());
  std::vector<std::uint8_t> labels;
  for (const auto& sample : protocol.test) {
    const auto loaded =
        required(vedette::load_picture(sample, {}, m.image_height, m.image_width, false,
                                       {m.input_height, m.input_width}, {.sample_bits = m.sample_bits}));
    const auto measured = required(engine.measure(loaded.image));
    labels.push_back(*sample.is_anomalous ? 1 : 0);
    for (std::size_t c = 0; c < scores.size(); ++c)
      for (std::size_t f = 0; f < fractions.size(); ++f) {
        double sum = 0;
        for (const auto& map : measured.outputs[c].maps)
          sum += std::log(std::max(vedette::pool_largest(map.values, fractions[f]), 1e-12));
        scores[c][f].push_back(sum);
      }
  }
  json out;
  for (std::size_t c = 0; c < scores.size(); ++c)
    for (const auto& s : scores[c]) out[m.contestants[c].name].push_back(vedette::auroc(s, labels));
  return out;
}

/// Returns the picture turned about its centre and shifted, continued by its mirror image.
vedette::RgbImage moved(const vedette::RgbImage& image, double dy, double dx, double degrees) {
  vedette::RgbImage out = image;
  const double angle = degrees * std::numbers::pi / 180, a = std::cos(angle), b = std::sin(angle);
  const auto mirrored = [](double v, int size) {
    v = std::abs(v);
    return std::min(v > size - 1 ? 2 * (size - 1) - v : v, size - 1.001);
  };
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const double v = y - 0.5 * (out.height - 1) - dy, u = x - 0.5 * (out.width - 1) - dx;
      const double py = mirrored(0.5 * (out.height - 1) + a * v - b * u, out.height),
                   px = mirrored(0.5 * (out.width - 1) + b * v + a * u, out.width);
      const int y0 = static_cast<int>(py), x0 = static_cast<int>(px);
      for (std::size_t c = 0; c < 3; ++c) {
        const auto at = [&](int iy, int ix) { return static_cast<double>(image.at(iy, ix)[c]); };
        const double top = at(y0, x0) + (px - x0) * (at(y0, x0 + 1) - at(y0, x0)),
                     bottom = at(y0 + 1, x0) + (px - x0) * (at(y0 + 1, x0 + 1) - at(y0 + 1, x0));
        out.at(y, x)[c] = static_cast<std::uint8_t>(std::lround(top + (py - y0) * (bottom - top)));
      }
    }
  return out;
}

vedette::RgbImage toned(const vedette::RgbImage& image, double gain) {
  auto out = image;
  for (auto& v : out.pixels) v = static_cast<std::uint8_t>(std::lround(std::min(255.0, gain * v)));
  return out;
}

/// Applies a 3 × 3 binomial filter, which puts the picture slightly out of focus.
vedette::RgbImage softened(const vedette::RgbImage& image) {
  auto out = image;
  for (int y = 1; y + 1 < out.height; ++y)
    for (int x = 1; x + 1 < out.width; ++x)
      for (std::size_t c = 0; c < 3; ++c) {
        int sum = 8;
        for (int j = -1; j <= 1; ++j)
          for (int i = -1; i <= 1; ++i) sum += (2 - std::abs(j)) * (2 - std::abs(i)) * image.at(y + j, x + i)[c];
        out.at(y, x)[c] = static_cast<std::uint8_t>(sum / 16);
      }
  return out;
}

/// Returns the share of the test pictures whose verdict changes when something changes that a plant cannot control. For
/// pictures that show something else than the part, it returns how many are called anomalous.
json robustness(const vedette::Engine& engine, const Protocol& protocol) {
  using Image = vedette::RgbImage;
  const std::vector<std::pair<const char*, std::function<Image(const Image&)>>> changes = {
      {"brighter", [](const Image& i) { return toned(i, 1.2); }},
      {"darker", [](const Image& i) { return toned(i, 0.8); }},
      {"shifted", [](const Image& i) { return moved(i, 0.03 * i.height, -0.03 * i.width, 0); }},
      {"turned", [](const Image& i) { return moved(i, 0, 0, 5); }},
      {"jpeg_60",
       [](const Image& i) { return required(vedette::decode_image(required(vedette::encode_jpeg(i, 60)))); }},
      {"softened", softened}};
  const std::vector<std::pair<const char*, std::function<Image(const Image&)>>> foreign = {
      {"black", [](const Image& i) { return toned(i, 0.01); }},
      {"white", [](const Image& i) { return toned(i, 1000); }},
      {"defocused",
       [](const Image& i) {
         const auto small = vedette::to_image(vedette::resize_to_planes(i, i.height / 24, i.width / 24));
         return vedette::to_image(vedette::resize_to_planes(small, i.height, i.width));
       }},
      {"other_surface", [](const Image& i) { return vedette::render::render_surface(7, i.height, i.width); }}};
  const auto& m = engine.manifest();
  std::vector<double> flips(changes.size()), refused(foreign.size());
  const auto share = 1.0 / static_cast<double>(protocol.test.size());
  for (const auto& sample : protocol.test) {
    const auto loaded =
        required(vedette::load_picture(sample, {}, m.image_height, m.image_width, false,
                                       {m.input_height, m.input_width}, {.sample_bits = m.sample_bits}));
    const bool verdict = required(engine.detect(loaded.image)).is_anomalous;
    for (std::size_t k = 0; k < changes.size(); ++k)
      flips[k] += required(engine.detect(changes[k].second(loaded.image))).is_anomalous != verdict ? share : 0;
    for (std::size_t k = 0; k < foreign.size(); ++k)
      refused[k] += required(engine.detect(foreign[k].second(loaded.image))).is_anomalous ? share : 0;
  }
  json out;
  for (std::size_t k = 0; k < changes.size(); ++k) out["flips"][changes[k].first] = flips[k];
  for (std::size_t k = 0; k < foreign.size(); ++k) out["refused"][foreign[k].first] = refused[k];
  return out;
}

/// Returns the protocol with a tenth more good pictures that are not good: defective pictures of the test set, which
/// leave it.
Protocol mislabelled(const Protocol& protocol) {
  Protocol out = protocol;
  const auto normals =
      std::count_if(out.train.begin(), out.train.end(), [](const auto& s) { return !*s.is_anomalous; });
  std::vector<std::size_t> defects;
  for (std::size_t i = 0; i < out.test.size(); ++i)
    if (*out.test[i].is_anomalous) defects.push_back(i);
  const auto wrong = std::min<std::size_t>(static_cast<std::size_t>(normals) / 10, defects.size() / 2);
  std::set<std::size_t> taken;
  for (std::size_t k = 0; k < wrong; ++k) {
    const auto i = defects[k * defects.size() / wrong];
    taken.insert(i);
    auto sample = out.test[i];
    sample.is_anomalous = false;
    sample.mask = {};
    out.train.push_back(std::move(sample));
  }
  Samples rest;
  for (std::size_t i = 0; i < out.test.size(); ++i)
    if (!taken.contains(i)) rest.push_back(out.test[i]);
  out.test = std::move(rest);
  return out;
}

/// A figure that is not defined is null.
json figure(const std::optional<double>& value) {
  return value ? json(*value) : json();
}

json run(const std::string& set, const Protocol& protocol, std::uint64_t seed, const vedette::TrainingPlan& plan,
         bool with_contest, bool with_robustness, const std::string& keep) {
  const vedette::TemporaryFolder work;
  vedette::TrainingJob job;
  job.train = protocol.train;
  job.seed = seed;
  job.plan = plan;
  if (auto ok = vedette::write_job(work.path(), job); !ok) throw std::runtime_error(ok.error().message);
  const fs::path trainer = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "vedette-trainer";
  auto start = std::chrono::steady_clock::now();
  const auto out_of_fold = required(vedette::run_trainer(trainer, work.path(), {}, nullptr));
  const double train_seconds = seconds_since(start);
  if (!keep.empty())
    fs::copy(work.path() / "model", fs::path(keep) / (set + "-" + std::to_string(seed)), fs::copy_options::recursive);

  start = std::chrono::steady_clock::now();
  const auto engine = required(vedette::Engine::load(work.path() / "model"));
  const double load_seconds = seconds_since(start);
  ClassTally classes(engine->manifest());
  std::vector<double> milliseconds;
  start = std::chrono::steady_clock::now();
  const auto test = required(vedette::evaluate_model(*engine, protocol.test, false, vedette::kServedFormats,
                                                     [&](std::size_t, const auto& sample, const auto& detection) {
                                                       milliseconds.push_back(1000 * seconds_since(start));
                                                       classes.add(sample, detection);
                                                       start = std::chrono::steady_clock::now();
                                                     }));
  std::sort(milliseconds.begin(), milliseconds.end());
  json out = {{"set", set},
              {"seed", seed},
              {"auroc", figure(test.image_auroc)},
              {"average_precision", figure(test.average_precision)},
              {"f1", figure(test.f1)},
              {"precision", figure(test.precision)},
              {"recall", figure(test.recall)},
              {"ece", test.ece},
              {"oof_auroc", figure(out_of_fold.image_auroc)},
              {"oof_f1", figure(out_of_fold.f1)},
              {"oof_ece", out_of_fold.ece},
              {"train_seconds", train_seconds},
              {"load_seconds", load_seconds},
              {"detect_ms", milliseconds[milliseconds.size() / 2]}};
  const auto pixels = [&out](const std::string& prefix, const vedette::Evaluation& e) {
    if (e.pixel_auroc) out[prefix + "pixel_auroc"] = *e.pixel_auroc;
    if (e.pixel_average_precision) out[prefix + "pixel_ap"] = *e.pixel_average_precision;
    if (e.labels.empty()) return;
    double mean = 0, pooled = 0;
    int held = 0;  // labels that the test pictures hold
    for (const auto& l : e.labels) {
      if (!l.f1 || !l.aiou) continue;
      ++held;
      mean += *l.aiou;
      pooled += *l.f1 / (2 - *l.f1);  // IoU from F1, over all pixels
    }
    out[prefix + "iou"] = held > 0 ? json(pooled / held) : json();
    out[prefix + "mean_iou"] = held > 0 ? json(mean / held) : json();
  };
  pixels("", test);
  pixels("oof_", out_of_fold);
  classes.report(out);
  for (const auto& c : engine->manifest().contestants)
    if (c.score_weight > 0 || c.map_weight > 0) out["choice"][c.name] = {c.score_weight, c.map_weight};
  if (with_contest) out["contest"] = contest(*engine, protocol);
  if (with_robustness) {
    out["robustness"] = robustness(*engine, protocol);
    const auto spoilt = mislabelled(protocol);
    const auto clean = required(vedette::evaluate_model(*engine, spoilt.test, false, vedette::kServedFormats, {}));
    const vedette::TemporaryFolder other;
    job.train = spoilt.train;
    if (auto ok = vedette::write_job(other.path(), job); !ok) throw std::runtime_error(ok.error().message);
    const auto suspicious = required(vedette::run_trainer(trainer, other.path(), {}, nullptr));
    const auto misled = required(vedette::Engine::load(other.path() / "model"));
    const auto judged = required(vedette::evaluate_model(*misled, spoilt.test, false, vedette::kServedFormats, {}));
    std::int64_t named = 0, suspects = 0;
    for (const auto& p : suspicious.predictions) {
      suspects += p.is_suspect ? 1 : 0;
      named += p.is_suspect && std::none_of(protocol.train.begin(), protocol.train.end(),
                                            [&](const auto& s) { return s.source_ref == p.source_ref; })
                   ? 1
                   : 0;
    }
    out["mislabelled"] = {{"pictures", spoilt.train.size() - protocol.train.size()},
                          {"auroc_without", figure(clean.image_auroc)},
                          {"auroc_with", figure(judged.image_auroc)},
                          {"suspects", suspects},
                          {"suspects_mislabelled", named}};
  }
  return out;
}

json summarize(const std::string& set, const std::vector<json>& runs) {
  json out = {{"set", set}, {"seeds", runs.size()}};
  for (const auto& item : runs[0].items()) {
    const auto& name = item.key();
    const auto has_it = [&](const json& run) { return run.contains(name) && run[name].is_number(); };
    if (!item.value().is_number_float() || !std::all_of(runs.begin(), runs.end(), has_it)) continue;
    double mean = 0, square = 0;
    for (const auto& r : runs) mean += r.value(name, 0.0) / static_cast<double>(runs.size());
    for (const auto& r : runs) square += std::pow(r.value(name, 0.0) - mean, 2) / static_cast<double>(runs.size());
    out[name] = mean;
    out[name + "_deviation"] = std::sqrt(square);
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures accuracy and speed of training and detection.");
  int seeds = 3, first_seed = 0;
  std::string data = "../shared/data", keep;
  std::vector<std::string> sets = {"sample", "cookies", "tile-labelled", "tile-normal"};
  bool with_contest = false, with_robustness = false;
  app.add_option("--seeds", seeds, "How many seeds, of the rendered set and of the training")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--first-seed", first_seed, "The first of them")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--data", data, "Folder with cookies/ and magnetic-tile/; sets that are missing are skipped")
      ->capture_default_str();
  app.add_option("--sets", sets, "Which sets; tiny: large rendered pictures with tiny defects")
      ->capture_default_str()
      ->check(CLI::IsMember({"sample", "tiny", "cookies", "tile-labelled", "tile-normal"}))
      ->delimiter(',');
  vedette::TrainingPlan plan;
  std::optional<std::size_t> defects;
  app.add_option("--defects", defects, "Train with the first so many anomalous pictures of each label only");
  app.add_option("--steps", plan.steps, "Steps of the decoders")->check(CLI::Range(1, 100'000));
  app.add_option("--budget", plan.budget_seconds, "Seconds that each training may take")->check(CLI::Range(1.0, 1e6));
  app.add_option("--backbone", plan.backbone, "Another backbone, an ONNX file")->check(CLI::ExistingFile);
  app.add_flag("--robustness", with_robustness,
               "Change the test pictures as a plant does, show others, mislabel some; trains twice");
  app.add_flag("--contest", with_contest, "Test every contestant alone, too");
  app.add_option("--keep", keep, "Copy the models into this folder")->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  if (plan.backbone) plan.backbone = std::filesystem::absolute(*plan.backbone);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  try {
    std::vector<json> summaries;
    for (const auto& set : sets) {
      const bool is_rendered = set == "sample" || set == "tiny";
      const fs::path folder = fs::path(data) / (set == "cookies" ? "cookies" : "magnetic-tile");
      if (!is_rendered && !fs::exists(folder)) {
        std::fprintf(stderr, "%s does not exist: %s is skipped\n", folder.c_str(), set.c_str());
        continue;
      }
      std::vector<json> runs;
      for (int seed = first_seed; seed < first_seed + seeds; ++seed) {
        const vedette::TemporaryFolder work;
        const auto number = static_cast<std::uint64_t>(seed);
        if (set == "sample") {
          if (auto ok = vedette::render::write_sample(work.path(), number, 180, cores, {}); !ok)
            throw std::runtime_error(ok.error().message);
        }
        auto protocol = set == "sample"        ? from_manifests(work.path())
                        : set == "tiny"        ? tiny_defects(work.path(), number)
                        : set == "cookies"     ? from_manifests(folder)
                        : set == "tile-normal" ? magnetic_tiles(folder, work.path(), 200, 0)
                                               : magnetic_tiles(folder, work.path(), 60, 10);
        if (defects) keep_defects(protocol.train, *defects);
        runs.push_back(run(set, protocol, number, plan, with_contest, with_robustness, keep));
        std::printf("%s\n", runs.back().dump().c_str());
        std::fflush(stdout);
      }
      summaries.push_back(summarize(set, runs));
    }
    for (const auto& summary : summaries) std::printf("%s\n", summary.dump().c_str());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quality: %s\n", e.what());
    return 1;
  }
}
