// This target fuzzes the body of every JSON operation: what passes the model's checks must be readable by its request
// type, and every database must be able to store its texts.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "api/lookoutvision/messages.hpp"
#include "api/vedette/messages.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace {

using namespace vedette;
using namespace vedette::lookoutvision;

void construct(const std::string& name, const nlohmann::json& m) {
  if (name == "CreateProject") (void)CreateProjectRequest(m);
  if (name == "CreateDataset") (void)CreateDatasetRequest(m);
  if (name == "UpdateDatasetEntries") (void)UpdateDatasetEntriesRequest(m);
  if (name == "CreateModel") (void)CreateModelRequest(m);
  if (name == "StartModel") (void)StartModelRequest(m);
  if (name == "StartModelPackagingJob") (void)StartModelPackagingJobRequest(m);
  if (name == "TagResource" || name == "UntagResource" || name == "ListTagsForResource") (void)TagsRequest(m);
  if (name == "ListDatasetEntries") (void)ListDatasetEntriesRequest(m);
  if (name == "GetMetricStatistics") (void)extension::MetricStatisticsRequest(m);
}

void expect_storable(const ApiType& type, const nlohmann::json& value) {
  if (type.kind == ValueKind::string && !is_storable_text(value.get_ref<const std::string&>())) std::abort();
  if (type.kind == ValueKind::list)
    for (const auto& item : value) expect_storable(*type.item, item);
  if (type.kind == ValueKind::structure)
    for (const auto& m : type.members)
      if (value.contains(m.name)) expect_storable(*m.type, value[m.name]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto& a = lookoutvision::api_model().operations();
  const auto& b = extension::api_model().operations();
  const std::size_t index = data[0] % (a.size() + b.size());
  const auto& model = index < a.size() ? lookoutvision::api_model() : extension::api_model();
  const auto& operation = index < a.size() ? a[index] : b[index - a.size()];
  OperationInput input;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  input.body = text;
  input.path_labels = {
      {"projectName", "p"},  {"datasetType", "train"}, {"modelVersion", "1"}, {"resourceArn", "arn"},
      {"jobName", "j"},      {"userName", "u"},        {"policyName", "p"},   {"accessKeyId", "AKIAAAAAAAAAAAAAAAAA"},
      {"metricName", "Time"}};
  // The same bytes are tried as the values of a query and of the client token.
  for (const auto& m : operation.input) {
    if (m.place == InputPlace::query) input.query.emplace_back(m.wire_name, std::string(text.substr(0, 300)));
    if (m.place == InputPlace::header)
      input.headers.emplace_back(m.name == "ContentType" ? "content-type" : "x-amzn-client-token",
                                 std::string(text.substr(0, 30)));
  }
  for (const bool with_query : {true, false}) {
    if (!with_query) input.query.clear(), input.headers.clear();
    const auto members = model.decode(operation, input);
    if (!members) continue;
    for (const auto& m : operation.input)
      if (members->contains(m.name)) expect_storable(*m.type, (*members)[m.name]);
    construct(operation.name, *members);
  }
  return 0;
}
