// This target fuzzes the Authorization header, and X-Amz-Date beside it, up to the comparison of signatures.
#include "signing/presigned_headers.hpp"
#include "signing/signature_v2.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto line = text.find('\n');
  SignableRequest request{"GET", "/2020-11-20/projects", "", {{"host", "h"}, {"authorization", text.substr(0, line)}}};
  request.headers.emplace_back("x-amz-date", line == std::string::npos ? "20220301T100000Z" : text.substr(line + 1));
  if (const auto authorization = parse_authorization(request)) {
    (void)check_time(*authorization, Timestamp{std::chrono::seconds(1'646'128'800)});
    (void)verify(*authorization, request, "UNSIGNED-PAYLOAD", "secret");
  }
  // The same text is tried as the query of a presigned URL.
  const SignableRequest presigned{"GET", "/b/k", text, {{"host", "h"}}};
  if (const auto authorization = parse_authorization(presigned))
    (void)verify(*authorization, presigned, "UNSIGNED-PAYLOAD", "secret");
  if (const auto authorization = parse_presigned_v2(text)) {
    (void)check_time(*authorization, Timestamp{std::chrono::seconds(1'646'128'800)});
    (void)verify(*authorization, presigned, "UNSIGNED-PAYLOAD", "secret");
  }
  (void)presigned_headers(text, presigned.headers);
  (void)session_token(presigned);
  return 0;
}
