#include "service/pagination.hpp"
#include "service/quota_errors.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

constexpr std::chrono::hours kTokenLifetime{8};

}  // namespace

Error LookoutVision::no_project(const std::string& name) {
  return not_found("PROJECT", name, "The project " + name + " does not exist.");
}

Result<std::optional<std::string>> LookoutVision::replayed(UnitOfWork& work, const CallContext& call,
                                                           const char* operation, const char* type,
                                                           const std::string& id) {
  if (call.client_token.empty()) return std::optional<std::string>();
  const auto known = work.tokens().find(call.scope, operation, call.client_token, work.now() - kTokenLifetime);
  if (!known) return std::optional<std::string>();
  if (known->parameters_hash != call.parameters_hash)
    return conflict(type, id, "The client token was used before with other parameters.");
  return std::optional(known->resource);
}

void LookoutVision::remember(UnitOfWork& work, const CallContext& call, const char* operation,
                             const std::string& resource) {
  if (call.client_token.empty()) return;
  work.tokens().forget_before(work.now() - kTokenLifetime);
  work.tokens().remember(call.scope, operation, call.client_token, {call.parameters_hash, resource}, work.now());
}

Result<Project> LookoutVision::create_project(const CallContext& call,
                                              const lookoutvision::CreateProjectRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<Project> {
    const auto again = replayed(work, call, "CreateProject", "PROJECT", request.project_name);
    if (!again) return again.error();
    if (*again)
      if (auto project = work.projects().find(call.scope, request.project_name)) return *project;
    const Project project{request.project_name, work.now()};
    if (quotas_.projects > 0 && !work.projects().find(call.scope, request.project_name) &&
        work.projects().count(call.scope.account) >= quotas_.projects)
      return quota_exceeded(quotas::kProjects, "PROJECT", request.project_name,
                            "At most " + std::to_string(quotas_.projects) + " projects may exist.");
    if (!work.projects().insert(call.scope, project))
      return conflict("PROJECT", request.project_name, "The project " + request.project_name + " already exists.");
    remember(work, call, "CreateProject", request.project_name);
    return project;
  });
}

Result<LookoutVision::ProjectDetails> LookoutVision::describe_project(const CallContext& call,
                                                                      const lookoutvision::ProjectRequest& request) {
  auto work = metadata_.read();
  auto project = work->projects().find(call.scope, request.project_name);
  if (!project) return no_project(request.project_name);
  return ProjectDetails{*project, work->datasets().list(call.scope, request.project_name)};
}

bool LookoutVision::has_projects(const Scope& scope) {
  return !metadata_.look()->projects().list(scope, "", 1).empty();
}

Result<Page<Project>> LookoutVision::list_projects(const CallContext& call, const lookoutvision::PageRequest& request) {
  const std::string query = "ListProjects/" + call.scope.account + "/" + call.scope.region;
  auto after = read_page_token(query, request.next_token);
  if (!after) return after.error();
  Page<Project> page{metadata_.look()->projects().list(call.scope, *after, request.max_results + 1), ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.max_results) {
    page.items.pop_back();
    page.next_token = make_page_token(query, page.items.back().name);
  }
  return page;
}

Result<void> LookoutVision::delete_project(const CallContext& call, const lookoutvision::ProjectRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto again = replayed(work, call, "DeleteProject", "PROJECT", request.project_name);
    if (!again) return again.error();
    if (!work.projects().find(call.scope, request.project_name)) {
      if (*again) return {};
      return no_project(request.project_name);
    }
    if (!work.datasets().list(call.scope, request.project_name).empty() ||
        !work.models().list(call.scope, request.project_name, 0, 1).empty())
      return conflict("PROJECT", request.project_name, "The project still has datasets or models; delete them first.");
    work.projects().remove(call.scope, request.project_name);
    remember(work, call, "DeleteProject", request.project_name);
    return {};
  });
}

}  // namespace vedette
