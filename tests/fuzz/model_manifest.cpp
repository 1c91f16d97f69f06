// This target fuzzes the two kinds of files that a model consists of: the manifest (JSON) and its blobs (safetensors).
#include <algorithm>
#include <cstdlib>

#include "vision/artifact/artifact.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)parse_manifest(bytes).has_value();
  const auto tensors = parse_safetensors(bytes);
  if (!tensors) return 0;
  float largest = 0;
  for (const auto& [name, tensor] : *tensors) {
    std::int64_t count = 1;
    for (const auto extent : tensor.shape) count *= extent;
    if (count < 0 || static_cast<std::size_t>(count) != tensor.count || tensor.count * 2 > size) std::abort();
    for (const auto value : tensor.values()) largest = std::max(largest, value);
  }
  // The values are used, so that every one of them is read.
  volatile const float read = largest;
  (void)read;
  return 0;
}
