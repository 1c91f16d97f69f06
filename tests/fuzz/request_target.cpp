// This target fuzzes path and query of a request: the routing of all services, S3's addressing, and what the signature
// covers.
#include <cstdlib>

#include "api/lookoutvision/messages.hpp"
#include "api/s3/messages.hpp"
#include "api/sts/messages.hpp"
#include "api/vedette/messages.hpp"
#include "base/text.hpp"
#include "domain/domain.hpp"
#include "signing/signing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  static const char* const kMethods[] = {"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"};
  if (size < 2) return 0;
  const char* method = kMethods[data[0] % 6];
  const std::string target(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto question = target.find('?');
  const auto path = target.substr(0, question);
  const auto query = question == std::string::npos ? std::string() : target.substr(question + 1);
  for (const auto* model : {&lookoutvision::api_model(), &extension::api_model()})
    if (const auto route = model->route(method, path))
      for (const auto& [name, value] : route->labels) {
        if (value.empty()) std::abort();
        (void)parse_model_arn(value);
      }
  for (const bool is_copy : {false, true})
    if (const auto request = s3::parse_request(method, path, query, is_copy))
      if (!request->bucket.empty() && !s3::is_bucket_name(request->bucket)) std::abort();
  (void)sts::parse_request(query);
  const SignableRequest request{method, path, query, {{"host", "h"}}};
  for (const auto style : {PathStyle::s3, PathStyle::normalized})
    (void)canonical_request(request, {"host"}, "x", style, false);
  (void)parse_authorization(request);
  // Decoding must undo encoding, whatever the bytes.
  const auto again = uri_decode(uri_encode(target));
  if (!again || *again != target) std::abort();
  return 0;
}
