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

std::shared_ptr<const Engine> load_model(const std::string& path) {
  // The engine holds everything it needs in memory, so the unpacked files are deleted once it is loaded.
  std::optional<TemporaryFolder> unpacked;
  auto engine = Engine::load(model_folder(path, unpacked));
  if (!engine) throw std::runtime_error(path + ": " + engine.error().message);
  return *engine;
}

}  // namespace vedette
