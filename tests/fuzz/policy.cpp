// This target fuzzes policy documents: any text must be parsed or refused, and a parsed document must decide.
#include "auth/policy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const auto policy = Policy::parse({reinterpret_cast<const char*>(data), size});
  if (!policy) return 0;
  PolicyContext context;
  context.account = "123456789012";
  context.username = "ann";
  context.source_ip = "10.1.2.3";
  context.request_tags = {{"stage", "test"}};
  context.resource_tags = [] { return std::vector<Tag>{{"line", "7"}}; };
  for (const char* action : {"lookoutvision:DetectAnomalies", "s3:GetObject"})
    (void)policy->decide(action, "arn:aws:lookoutvision:us-east-1:123456789012:model/p/1", context);
  return 0;
}
