// This target fuzzes bodies in the coding aws-chunked: fed in pieces of any size, they must give the same content or
// the same refusal.
#include <cstdlib>

#include "signing/chunked.hpp"

namespace {

using namespace vedette;

struct Outcome {
  std::string content, code;
  bool operator==(const Outcome&) const = default;
};

Outcome decode(std::string_view body, ChunkedFormat format, std::size_t piece) {
  Authorization authorization;
  authorization.credential = {"A", "20220301", "r", "s3"};
  authorization.timestamp = "20220301T100000Z";
  ChunkedDecoder decoder(format, 64, authorization, "secret");
  Outcome out;
  for (std::size_t i = 0; i < body.size(); i += piece)
    if (auto ok =
            decoder.feed(as_bytes(body.substr(i, piece)),
                         [&](auto bytes) -> Result<void> { return out.content += as_text(bytes), Result<void>(); });
        !ok) {
      out.code = ok.error().code;
      return out;
    }
  if (auto ok = decoder.finish(); !ok) out.code = ok.error().code;
  if (out.code.empty() && out.content.size() != 64) std::abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ChunkedFormat format{(data[0] & 1) != 0, (data[0] & 2) != 0};
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = decode(body, format, body.size());
  const auto bytes = decode(body, format, 1);
  // What was handed on before a refusal depends on the pieces; the refusal itself does not.
  if (whole.code != bytes.code || (whole.code.empty() && whole.content != bytes.content)) std::abort();
  return 0;
}
