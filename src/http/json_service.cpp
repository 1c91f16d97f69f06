#include "http/json_service.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api/json_errors.hpp"
#include "base/digest.hpp"
#include "base/disk_full.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "domain/limits.hpp"
#include "domain/station.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

/// Returns whether an operation without a payload has a model look at a picture.
bool looks_at_picture(const std::string& operation) {
  return operation == "ComputeAnomalyMap" || operation == "FindNearestPatch";
}
constexpr std::string_view kDetectOperation = "DetectAnomalies";

constexpr std::uint64_t kJsonLimit = 1 << 20;
constexpr std::uint64_t kChangesLimit = 15 << 20;  // 10 MiB, or a picture, as base64, and the JSON around it

/// Says what a call is about, for authorisation, metrics and audit.
struct Subject {
  std::string arn = "*";
  std::string project, version;
  bool is_model = false;  ///< whether `version` is the number of a model that exists
  std::function<std::vector<Tag>()> tags = {};
};

Result<OperationInput> input_of(const ApiModel::Route& route, const RequestHead& head, std::string_view body) {
  OperationInput input;
  input.path_labels = route.labels;
  for (auto part : split(head.query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = uri_decode(part.substr(0, equals));
    auto value = uri_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!name) return name.error();
    if (!value) return value.error();
    input.query.emplace_back(std::move(*name), std::move(*value));
  }
  input.headers = head.headers;
  input.body = body;
  return input;
}

/// Whether calls of the operation change nothing.
bool is_reader(const std::string& operation) {
  return operation.starts_with("Describe") || operation.starts_with("List") || operation.starts_with("Get") ||
         operation.starts_with("Simulate") || operation == kDetectOperation || looks_at_picture(operation);
}

}  // namespace

class JsonCall : public PendingCall {
 public:
  JsonCall(JsonService& service, ApiModel::Route route, const RequestHead& head, const CallIdentity& identity)
      : service_(service), route_(std::move(route)), head_(head), identity_(identity) {
    operation = route_.operation->name;
    body_limit = route_.operation->has_payload()                                      ? kLargestImage
                 : operation == "UpdateDatasetEntries" || looks_at_picture(operation) ? kChangesLimit
                                                                                      : kJsonLimit;
    if (route_.operation->has_payload()) oversize_error = invalid_input("The image exceeds 8 MB (8,388,608 bytes).");
  }

  Result<Response> run(std::string_view body, AuditEvent& audit) override {
    audit.name = operation;
    audit.source = service_.model_.service() + ".amazonaws.com";
    audit.is_read_only = is_reader(operation);
    audit.needs_no_right = route_.operation->action.empty();
    Subject subject;
    PassOn pass_on;
    const bool may_pass_on = service_.relay_ != nullptr && header_value(head_.headers, kPassedOnHeader).empty();
    auto answer = guarded_operation(body, subject, audit, may_pass_on ? &pass_on : nullptr);
    if (!answer && !pass_on.nodes.empty()) {
      auto passed = service_.relay_->pass_on(head_, body, pass_on.nodes);
      if (passed) {
        audit.name.clear();  // the other node counts the call, and writes it into the audit log
        return passed;
      }
      // Instead of nodes that do not answer, this one loads the model. If it has it, and is overloaded, it stays so.
      if (passed.error().kind != ErrorKind::unavailable) {
        answer = passed.error();
      } else if (answer.error().kind == ErrorKind::unavailable) {
        answer = guarded_operation(body, subject, audit, nullptr);
      }
    }
    // If a call cannot be counted, that changes neither the answer nor the audit record of what was done.
    try {
      if (service_.metrics_) count(subject, answer);
    } catch (const std::exception& e) {
      log::error("a call could not be counted in the metrics", {{"reason", e.what()}});
    }
    if (!answer) {
      const auto wire = encode_json_error(service_.model_, answer.error());
      audit.error_code = wire.name;
      audit.error_message = answer.error().message;
      return answer.error();
    }
    if (!audit.is_read_only) audit.response_elements = audit_parameters(*answer);
    Response response;
    response.status = route_.operation->success_status;
    response.stages = std::move(stages_);
    response.headers = std::move(headers_);
    response.headers.emplace_back("content-type", "application/json");
    response.body = answer->dump(-1, ' ', false, Json::error_handler_t::replace);
    return response;
  }

 private:
  /// Turns a failure of the machine, or a bug, into an answer, so that it is counted and audited like others.
  Result<Json> guarded_operation(std::string_view body, Subject& subject, AuditEvent& audit, PassOn* pass_on) {
    for (bool is_again = false;; is_again = true) {
      try {
        return run_operation(body, subject, audit, pass_on);
      } catch (const std::exception& e) {
        // The connection to the database may have been lost in the midst of a view. Transactions run again by themselves.
        const auto* away = dynamic_cast<const Away*>(&e);
        if (is_again || !audit.is_read_only || away == nullptr || !away->is_undone()) return error_of(e);
        log::warning("a call is run again", {{"reason", e.what()}});
        stages_ = {};
        headers_.clear();
      }
    }
  }

  Result<Json> run_operation(std::string_view body, Subject& subject, AuditEvent& audit, PassOn* pass_on) {
    const auto input = input_of(route_, head_, body);
    if (!input) return input.error();
    auto members = service_.model_.decode(*route_.operation, *input);
    if (!members) return members.error();
    audit.request_parameters = audit_parameters(*members);
    subject = subject_of(*members);
    TagContext tags{{}, {}, subject.tags};
    if (const auto it = members->find("Tags"); it != members->end())
      for (const auto& tag : *it) tags.request_tags.push_back({tag.at("Key"), tag.at("Value")});
    if (const auto it = members->find("TagKeys"); it != members->end())
      tags.untags = it->get<std::vector<std::string>>();
    const auto& action = route_.operation->action;
    if (!action.empty())
      if (auto ok = authorize(identity_.caller, action, subject.arn, tags); !ok) return ok.error();
    // A model's inference units limit the operations that have a payload.
    if (!route_.operation->has_payload() && !identity_.is_passed_on) {
      // The key does not contain the region, because callers choose the region as they like.
      const auto key = identity_.scope.account + "/" + operation;
      if (auto ok = service_.limiter_.admit(key, std::chrono::steady_clock::now()); !ok) return ok.error();
    }
    CallContext context{
        identity_.caller,     identity_.scope, members->value("ClientToken", ""), "", identity_.abandoned,
        identity_.request_id, pass_on};
    if (!context.client_token.empty()) {
      Json parameters = *members;
      parameters.erase("ClientToken");
      // The hash is made from a binary form of the parameters, since blobs need not be text.
      context.parameters_hash = sha256_hex(as_text(Json::to_cbor(parameters)));
    }
    // "latest" may soon mean another model, so the operation gets the version for which the caller's rights were
    // checked.
    if (subject.is_model) (*members)["ModelVersion"] = subject.version;
    return service_.operations_.at(operation)({context, *members, body, stages_, headers_});
  }

  /// Returns the resource on which a policy must allow the action.
  Subject subject_of(const Json& members) const {
    const auto& scope = identity_.scope;
    const auto& kind = route_.operation->resource;
    const auto text = [&](const char* name) { return members.value(name, std::string()); };
    Subject subject;
    subject.project = text("ProjectName");
    const auto model_tags = [&](const std::string& project, std::int64_t version) {
      return [this, project, version] { return service_.models_.tags_of(identity_.scope, project, version); };
    };
    if (kind == "project") {
      subject.arn = project_arn(scope, subject.project);
    } else if (kind == "model") {
      subject.arn = "arn:aws:lookoutvision:" + scope.region + ":" + scope.account + ":model/" + subject.project + "/";
      if (!members.contains("ModelVersion")) {
        subject.arn += "*";
        return subject;
      }
      subject.version = text("ModelVersion");
      const auto number = service_.models_.resolve_version(scope, subject.project, subject.version);
      if (number) {
        subject.version = std::to_string(*number);
        subject.is_model = true;
        subject.tags = model_tags(subject.project, *number);
      }
      subject.arn += subject.version;
    } else if (kind == "arn") {
      subject.arn = text("ResourceArn");
      const auto model = parse_model_arn(subject.arn);
      // If the text is not the ARN of a model, the operation refuses it later. If it is one, the policies see it in its
      // only correct spelling.
      if (model) subject.arn = to_text(*model);
      if (model && model->scope == scope) {
        subject.project = model->project;
        subject.version = std::to_string(model->version);
        subject.tags = model_tags(model->project, model->version);
      }
    } else if (kind == "user") {
      subject.arn = user_arn(scope.account, text("UserName"));
    } else if (kind == "station") {
      subject.arn = station_arn(scope, text("StationName"));
    } else if (kind == "policy") {
      subject.arn = "arn:aws:iam::" + scope.account + ":policy/" + text("PolicyName");
    }
    return subject;
  }

  /// Counts a call by project and version, but only if these exist, because callers can put any names into calls that
  /// fail.
  void count(const Subject& subject, const Result<Json>& answer) const {
    auto project = subject.project, version = subject.version;
    auto metric = Metric::successful_request_count;
    if (!answer) {
      const auto& error = answer.error();
      metric = error.kind == ErrorKind::throttled ? Metric::throttled_count : Metric::error_count;
      const bool exists = error.kind == ErrorKind::conflict || error.kind == ErrorKind::not_found ||
                          error.kind == ErrorKind::quota_exceeded ||
                          (error.kind == ErrorKind::throttled && route_.operation->has_payload());
      if (!exists || (error.resource_type == "PROJECT" && error.kind != ErrorKind::conflict)) project.clear();
      if (error.kind == ErrorKind::not_found) version.clear();
    }
    if (project.empty()) {
      version.clear();
      // Callers choose regions as they like, so only regions in which the account has projects get metrics of their
      // own.
      if (!service_.models_.has_projects(identity_.scope)) return;
    }
    service_.metrics_->add(identity_.scope, project, version, metric, 1);
  }

  JsonService& service_;
  const ApiModel::Route route_;
  const RequestHead& head_;
  const CallIdentity& identity_;
  Stages stages_;
  HeaderList headers_;
};

JsonService::JsonService(const ApiModel& model, JsonOperations operations, LookoutVision& models, RateLimiter& limiter,
                         Metrics* metrics, Relay* relay)
    : model_(model),
      operations_(std::move(operations)),
      models_(models),
      limiter_(limiter),
      metrics_(metrics),
      relay_(relay) {
  for (const auto& operation : model_.operations())
    if (!operations_.contains(operation.name)) throw std::logic_error("nothing runs the operation " + operation.name);
}

bool JsonService::waits_for_model(const RequestHead& head) const {
  const auto route = model_.route(head.method, head.path);
  if (!route) return false;
  const auto& name = route->operation->name;
  return route->operation->has_payload() || looks_at_picture(name) || name == "CorrectModel";
}

Result<std::unique_ptr<PendingCall>> JsonService::open(const RequestHead& head, const CallIdentity& identity) {
  auto route = model_.route(head.method, head.path);
  if (!route) return route.error();
  return std::unique_ptr<PendingCall>(std::make_unique<JsonCall>(*this, std::move(*route), head, identity));
}

Response JsonService::encode_error(const Error& error, const RequestHead&, const std::string&) const {
  auto wire = encode_json_error(model_, error);
  Response r;
  r.status = wire.status;
  r.headers.emplace_back("content-type", "application/json");
  r.headers.emplace_back("x-amzn-ErrorType", wire.name);
  if (wire.retry_after_seconds > 0) r.headers.emplace_back("retry-after", std::to_string(wire.retry_after_seconds));
  r.body = std::move(wire.body);
  return r;
}

}  // namespace vedette
