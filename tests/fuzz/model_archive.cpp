// This target fuzzes archives of models, which stations fetch and people hand on: whatever the bytes are, nothing is
// written outside of the folder, and what comes out is a model or is refused.
#include "vision/artifact/archive.hpp"

#include <cstdlib>
#include <fstream>

#include "base/files.hpp"
#include "vision/artifact/artifact.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  namespace fs = std::filesystem;
  // A fuzzer writes this folder so often that it must be in memory.
  const TemporaryFolder folder("/dev/shm");
  const auto archive = folder.path() / "archive.zip", out = folder.path() / "out";
  fs::create_directories(out);
  std::ofstream(archive, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const bool is_whole = read_archive(archive, out).has_value();
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(out)) {
    if (entry.is_symlink() || (!entry.is_directory() && !entry.is_regular_file())) std::abort();
    files += entry.is_regular_file() ? 1 : 0;
  }
  if (files > 4096) std::abort();
  for (const auto& entry : fs::directory_iterator(folder.path()))
    if (entry.path() != archive && entry.path() != out) std::abort();
  if (is_whole) (void)read_artifact(out, true).has_value();
  return 0;
}
