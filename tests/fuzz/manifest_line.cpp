// This target fuzzes manifests: what one line becomes must be a line again, and mean the same.
#include <cstdlib>

#include "manifest/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto line : manifest_lines(text)) {
    const auto parsed = parse_manifest_line(line.text);
    if (!parsed) continue;
    (void)parse_s3_uri(parsed->source_ref);
    const auto again = parse_manifest_line(parsed->text);
    if (!again || again->text != parsed->text || again->is_anomalous != parsed->is_anomalous ||
        again->source_ref != parsed->source_ref)
      std::abort();
  }
  return 0;
}
