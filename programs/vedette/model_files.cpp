#include "model_files.hpp"

#include <stdexcept>

#include "vision/artifact/archive.hpp"

namespace vedette {

std::filesystem::path model_folder(const std::string& path, std::optional<TemporaryFolder>& unpacked) {
  if (std::filesystem::is_directory(path)) return path;
  if (!is_archive(path)) throw std::runtime_error(path + " is neither a model's folder nor an archive of one");
  unpacked.emplace();
  if (auto ok = read_archive(path, unpacked->path()); !ok) throw std::runtime_error(path + ": " + ok.error().message);
  return unpacked->path();
}

CorrectedModel load_corrected_model(const std::string& path) {
  // The engine holds everything it needs in memory, so the unpacked files are deleted once it is loaded.
  std::optional<TemporaryFolder> unpacked;
  const auto folder = model_folder(path, unpacked);
  auto engine = Engine::load(folder);
  if (!engine) throw std::runtime_error(path + ": " + engine.error().message);
  auto corrections = read_corrections(folder, (*engine)->manifest().threshold);
  if (!corrections) throw std::runtime_error(path + ": " + corrections.error().message);
  return {*engine, *corrections};
}

std::shared_ptr<const Engine> load_model(const std::string& path) {
  return load_corrected_model(path).engine;
}

}  // namespace vedette
