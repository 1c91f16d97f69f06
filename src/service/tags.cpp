#include "service/tags.hpp"

#include <set>

#include "base/text.hpp"
#include "service/quota_errors.hpp"
#include "service/service.hpp"

namespace vedette {

Result<void> check_tags(const std::vector<Tag>& tags) {
  std::set<std::string> keys;
  for (const auto& tag : tags) {
    if (equals_ignore_case(tag.key.substr(0, 4), "aws:"))
      return invalid_input("Tag keys that begin with aws: are reserved: " + tag.key);
    if (!keys.insert(tag.key).second) return invalid_input("The tag key " + tag.key + " is given twice.");
  }
  return {};
}

Result<Model> LookoutVision::find_tagged(UnitOfWork& work, const Scope& scope, const std::string& arn) {
  const auto parsed = parse_model_arn(arn);
  if (!parsed) return invalid_input("Tags belong to models: " + arn + " is not the ARN of a model.");
  auto model = parsed->scope == scope ? work.models().find(scope, parsed->project, parsed->version) : std::nullopt;
  if (!model) return not_found("MODEL", arn, "There is no model " + arn + ".");
  return *model;
}

Result<void> LookoutVision::tag_resource(const CallContext& call, const lookoutvision::TagsRequest& request) {
  if (auto ok = check_tags(request.tags); !ok) return ok;
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto model = find_tagged(work, call.scope, request.resource_arn);
    if (!model) return model.error();
    std::set<std::string> keys;
    for (const auto& tag : model->tags) keys.insert(tag.key);
    for (const auto& tag : request.tags) keys.insert(tag.key);
    if (keys.size() > kMostTags)
      return quota_exceeded(quotas::kTags, "MODEL", request.resource_arn,
                            "A model may have at most " + std::to_string(kMostTags) + " tags.");
    for (const auto& tag : request.tags) work.models().set_tag(model->uid, tag);
    return {};
  });
}

Result<void> LookoutVision::untag_resource(const CallContext& call, const lookoutvision::TagsRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto model = find_tagged(work, call.scope, request.resource_arn);
    if (!model) return model.error();
    for (const auto& key : request.keys) work.models().remove_tag(model->uid, key);
    return {};
  });
}

Result<std::vector<Tag>> LookoutVision::list_tags(const CallContext& call, const lookoutvision::TagsRequest& request) {
  const auto model = find_tagged(*metadata_.read(), call.scope, request.resource_arn);
  if (!model) return model.error();
  return model->tags;
}

std::vector<Tag> LookoutVision::tags_of(const Scope& scope, const std::string& project, std::int64_t version) {
  const auto model = metadata_.read()->models().find(scope, project, version);
  return model ? model->tags : std::vector<Tag>();
}

}  // namespace vedette
