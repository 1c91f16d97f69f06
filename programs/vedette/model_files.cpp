#include "model_files.hpp"

#include <optional>
#include <stdexcept>

#include "base/files.hpp"
#include "vision/artifact/archive.hpp"

namespace vedette {

std::shared_ptr<const Engine> load_model(const std::string& path) {
  // The engine holds all it needs in memory: the unpacked files go when it is loaded.
  std::optional<TemporaryFolder> unpacked;
  std::filesystem::path folder = path;
  if (!std::filesystem::is_directory(folder)) {
    if (!is_archive(folder)) throw std::runtime_error(path + " is neither a model's folder nor an archive of one");
    unpacked.emplace();
    if (auto ok = read_archive(folder, unpacked->path()); !ok)
      throw std::runtime_error(path + ": " + ok.error().message);
    folder = unpacked->path();
  }
  auto engine = Engine::load(folder);
  if (!engine) throw std::runtime_error(path + ": " + engine.error().message);
  return *engine;
}

}  // namespace vedette
