#include "http/encoding.hpp"
#include "http/json_service.hpp"
#include "service/extension.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

std::string text(const Invocation& i, const char* name) {
  return i.members.at(name).get<std::string>();
}

Json encode(const User& user) {
  return extension::encode_user(user.account, user.name, user.policies, user.created);
}
Json encode(const AccessKey& key) {
  return extension::encode_access_key(key.access_key_id, key.user, key.is_active, key.created);
}
Json encode(const LookoutVision::ModelThreshold& threshold) {
  std::optional<extension::ThresholdMove> moved;
  if (threshold.moved) moved = {threshold.moved->threshold, threshold.moved->user, threshold.moved->time};
  return extension::encode_threshold(threshold.trained, moved);
}
Json encode_one(const LookoutVision::DatasetCheckState& state) {
  return {{"DatasetCheck", extension::encode_dataset_check(state.check, state.is_outdated, state.counts)}};
}
Json encode_channels(const std::vector<StationChannel>& channels) {
  return {{"Channels", extension::encode_channels(channels)}};
}
Json encode_one(const TrialDetection& trial) {
  return {{"TrialDetection", extension::encode_trial(trial)}};
}
Json encode(const PolicyDescription& policy) {
  return extension::encode_policy(policy.name, policy.document, policy.is_managed);
}

}  // namespace

JsonOperations extension_operations(ExtensionServices& s) {
  auto& ids = s.identities;
  return {
      {"GetTrainingProgress",
       [&](const Invocation& i) {
         return encoded(training_progress(s, i.context, lookoutvision::ModelRequest(i.members)),
                        [&](const auto& state) {
                          return extension::encode_progress(i.context.scope, state.model, state.progress);
                        });
       }},
      {"DescribeModelEvaluation",
       [&](const Invocation& i) {
         return encoded(describe_evaluation(s, i.context, lookoutvision::ModelRequest(i.members),
                                            lookoutvision::PageRequest(i.members)),
                        [&](const EvaluationPage& page) {
                          return extension::encode_evaluation(i.context.scope, page.model, page.evaluation,
                                                              page.next_token);
                        });
       }},
      {"UpdateModelUnits",
       [&](const Invocation& i) -> Result<Json> {
         const lookoutvision::StartModelRequest request(i.members);
         if (auto ok = s.lookout_vision.update_units(i.context, request); !ok) return ok.error();
         Json out = {{"MinInferenceUnits", request.min_inference_units}};
         if (request.max_inference_units) out["MaxInferenceUnits"] = *request.max_inference_units;
         return out;
       }},
      {"RebaseModel",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.rebase_model(i.context, extension::RebaseModelRequest(i.members)),
                        [&](const Model& model) {
                          return Json{{"ModelMetadata", lookoutvision::encode_model_metadata(i.context.scope, model)}};
                        });
       }},
      {"DescribeModelThreshold",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.describe_threshold(i.context, lookoutvision::ModelRequest(i.members)),
                        [](const auto& threshold) { return encode(threshold); });
       }},
      {"UpdateModelThreshold",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.update_threshold(i.context, extension::UpdateThresholdRequest(i.members)),
                        [](const auto& threshold) { return encode(threshold); });
       }},
      {"CorrectModel",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.correct_model(i.context, extension::CorrectModelRequest(i.members)),
                        [](const auto& c) { return extension::encode_correction(c.list.front(), c.effect); });
       }},
      {"ListModelCorrections",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.list_corrections(i.context, lookoutvision::ModelRequest(i.members)),
                        [](const auto& c) { return extension::encode_corrections(c.list, c.effect); });
       }},
      {"DeleteModelCorrection",
       [&](const Invocation& i) {
         return empty(s.lookout_vision.delete_correction(i.context, extension::DeleteCorrectionRequest(i.members)));
       }},
      {"ComputeAnomalyMap",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.compute_anomaly_map(i.context, extension::LookRequest(i.members)),
                        extension::encode_anomaly_map);
       }},
      {"FindNearestPatch",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.find_nearest_patch(i.context, extension::NearestPatchRequest(i.members)),
                        extension::encode_nearest_patch);
       }},
      {"ListDatasetImages",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.list_dataset_images(i.context, extension::ListDatasetImagesRequest(i.members)),
                        [](const auto& page) { return extension::encode_dataset_images(page.total, page.images); });
       }},
      {"GetThumbnails",
       [&](const Invocation& i) {
         return encoded(get_thumbnails(s, i.context, extension::GetThumbnailsRequest(i.members)),
                        extension::encode_thumbnails);
       }},
      {"ConvertAnnotations",
       [&](const Invocation& i) {
         return encoded(s.annotations.convert(i.context, extension::ConvertAnnotationsRequest(i.members)),
                        extension::encode_conversion);
       }},
      {"ExportCocoAnnotations",
       [&](const Invocation& i) {
         return encoded(s.annotations.export_coco(i.context, extension::ExportCocoRequest(i.members)),
                        extension::encode_coco_export);
       }},
      {"StartTrialDetection",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.start_trial(i.context, extension::StartTrialRequest(i.members)),
                        [](const auto& trial) { return encode_one(trial); });
       }},
      {"DescribeTrialDetection",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.describe_trial(i.context, extension::TrialRequest(i.members)),
                        [](const auto& trial) { return encode_one(trial); });
       }},
      {"ListTrialDetections",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.list_trials(i.context, lookoutvision::ListModelsRequest(i.members)),
                        [](const auto& page) { return encode_page(page, "TrialDetections", extension::encode_trial); });
       }},
      {"ListTrialDetectionImages",
       [&](const Invocation& i) {
         return encoded(
             s.lookout_vision.list_trial_images(i.context, extension::ListTrialImagesRequest(i.members)),
             [](const auto& page) { return extension::encode_trial_images(page.bucket, page.total, page.images); });
       }},
      {"VerifyTrialDetectionImages",
       [&](const Invocation& i) {
         return empty(s.lookout_vision.verify_trial_images(i.context, extension::VerifyTrialImagesRequest(i.members)));
       }},
      {"StopTrialDetection",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.stop_trial(i.context, extension::TrialRequest(i.members)),
                        [](const auto& trial) { return encode_one(trial); });
       }},
      {"DeleteTrialDetection",
       [&](const Invocation& i) {
         return empty(s.lookout_vision.delete_trial(i.context, extension::TrialRequest(i.members)));
       }},
      {"StartDatasetCheck",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.start_dataset_check(i.context, lookoutvision::ProjectRequest(i.members)),
                        [](const auto& state) { return encode_one(state); });
       }},
      {"DescribeDatasetCheck",
       [&](const Invocation& i) {
         return encoded(s.lookout_vision.describe_dataset_check(i.context, lookoutvision::ProjectRequest(i.members)),
                        [](const auto& state) { return encode_one(state); });
       }},
      {"ListDatasetFindings",
       [&](const Invocation& i) {
         return encoded(
             s.lookout_vision.list_dataset_findings(i.context, extension::ListDatasetFindingsRequest(i.members)),
             [](const auto& page) { return extension::encode_dataset_findings(page.total, page.findings); });
       }},
      {"PutStationReport",
       [&](const Invocation& i) {
         return encoded(s.stations.put_report(i.context, extension::PutStationReportRequest(i.members)),
                        [](const auto& channels) { return encode_channels(channels); });
       }},
      {"PutStationVerdicts",
       [&](const Invocation& i) {
         return encoded(s.stations.put_verdicts(i.context, extension::PutStationVerdictsRequest(i.members)),
                        extension::encode_received);
       }},
      {"ListStations",
       [&](const Invocation& i) {
         return encoded(s.stations.list(i.context, lookoutvision::PageRequest(i.members)),
                        [](const auto& page) { return encode_page(page, "Stations", extension::encode_station); });
       }},
      {"DescribeStation",
       [&](const Invocation& i) {
         return encoded(s.stations.describe(i.context, extension::StationRequest(i.members)), [](const auto& state) {
           return Json{{"Station", extension::encode_station(state)}};
         });
       }},
      {"DeleteStation",
       [&](const Invocation& i) { return empty(s.stations.remove(i.context, extension::StationRequest(i.members))); }},
      {"ListStationVerdicts",
       [&](const Invocation& i) {
         return encoded(
             s.stations.list_verdicts(i.context, extension::ListStationVerdictsRequest(i.members)),
             [](const auto& page) { return encode_page(page, "Verdicts", extension::encode_station_verdict); });
       }},
      {"UpdateStationChannel",
       [&](const Invocation& i) {
         return encoded(s.stations.update_channel(i.context, extension::UpdateStationChannelRequest(i.members)),
                        [](const auto& channels) { return encode_channels(channels); });
       }},
      {"ListNodes",
       [&](const Invocation& i) {
         return encoded(list_nodes(s, i.context, lookoutvision::PageRequest(i.members)), [](const auto& page) {
           return encode_page(page, "Nodes",
                              [](const auto& node) { return extension::encode_node(node.node, node.state); });
         });
       }},
      {"ListMetrics",
       [&](const Invocation& i) {
         return encoded(list_metrics(s, i.context, lookoutvision::PageRequest(i.members)), [](const auto& page) {
           return encode_page(page, "Metrics", [](const MetricSeries& p) {
             Json out = {{"MetricName", p.metric}};
             if (!p.project.empty()) out["ProjectName"] = p.project;
             if (!p.version.empty()) out["ModelVersion"] = p.version;
             return out;
           });
         });
       }},
      {"GetMetricStatistics",
       [&](const Invocation& i) {
         const extension::MetricStatisticsRequest request(i.members);
         return encoded(metric_statistics(s, i.context, request),
                        [&](const auto& points) { return extension::encode_datapoints(request.metric, points); });
       }},
      {"ListAuditEvents",
       [&](const Invocation& i) {
         return encoded(list_audit_events(s, i.context, extension::ListAuditEventsRequest(i.members)),
                        extension::encode_audit_events);
       }},
      {"CreateUser",
       [&](const Invocation& i) {
         return encoded(ids.create_user(i.context.scope.account, text(i, "UserName")), [](const User& user) {
           return Json{{"User", encode(user)}};
         });
       }},
      {"GetUser",
       [&](const Invocation& i) {
         return encoded(ids.find_user(i.context.scope.account, text(i, "UserName")), [](const User& user) {
           return Json{{"User", encode(user)}};
         });
       }},
      {"ListUsers",
       [&](const Invocation& i) {
         return encoded(list_users(s, i.context, lookoutvision::PageRequest(i.members)), [](const auto& page) {
           return encode_page(page, "Users", [](const User& user) { return encode(user); });
         });
       }},
      {"DeleteUser",
       [&](const Invocation& i) { return empty(ids.delete_user(i.context.scope.account, text(i, "UserName"))); }},
      {"CreateAccessKey",
       [&](const Invocation& i) {
         const auto user = text(i, "UserName");
         return encoded(s.keys.create_key(i.context.scope.account, user), [&](const KeyRing::NewKey& key) {
           auto out = extension::encode_access_key(key.access_key_id, user, true, key.created);
           out["SecretAccessKey"] = key.secret;
           return Json{{"AccessKey", std::move(out)}};
         });
       }},
      {"ListAccessKeys",
       [&](const Invocation& i) {
         return encoded(ids.list_keys(i.context.scope.account, text(i, "UserName")), [](const auto& keys) {
           Json list = Json::array();
           for (const auto& key : keys) list.push_back(encode(key));
           return Json{{"AccessKeys", std::move(list)}};
         });
       }},
      {"RevokeAccessKey",
       [&](const Invocation& i) {
         return empty(ids.revoke_key(i.context.scope.account, text(i, "UserName"), text(i, "AccessKeyId")));
       }},
      {"PutPolicy",
       [&](const Invocation& i) -> Result<Json> {
         const auto name = text(i, "PolicyName"), document = text(i, "PolicyDocument");
         if (auto ok = ids.put_policy(i.context.scope.account, name, document); !ok) return ok.error();
         return Json{{"Policy", extension::encode_policy(name, document, false)}};
       }},
      {"GetPolicy",
       [&](const Invocation& i) {
         return encoded(ids.find_policy(i.context.scope.account, text(i, "PolicyName")), [](const auto& policy) {
           return Json{{"Policy", encode(policy)}};
         });
       }},
      {"ListPolicies",
       [&](const Invocation& i) -> Result<Json> {
         Json list = Json::array();
         for (const auto& policy : ids.list_policies(i.context.scope.account)) list.push_back(encode(policy));
         return Json{{"Policies", std::move(list)}};
       }},
      {"DeletePolicy",
       [&](const Invocation& i) { return empty(ids.delete_policy(i.context.scope.account, text(i, "PolicyName"))); }},
      {"AttachUserPolicy",
       [&](const Invocation& i) {
         return empty(ids.attach(i.context.scope.account, text(i, "UserName"), text(i, "PolicyName")));
       }},
      {"DetachUserPolicy",
       [&](const Invocation& i) {
         return empty(ids.detach(i.context.scope.account, text(i, "UserName"), text(i, "PolicyName")));
       }},
      {"SimulatePolicy",
       [](const Invocation& i) -> Result<Json> {
         Json decisions = Json::array();
         for (const auto& asked : i.members.at("Actions")) {
           const auto action = asked.at("Action").get<std::string>(), resource = asked.value("Resource", "*");
           const bool is_allowed = asked.contains("Resource")
                                       ? authorize(i.context.caller, action, resource).has_value()
                                       : may_somewhere(i.context.caller, action);
           decisions.push_back({{"Action", action}, {"Resource", resource}, {"Allowed", is_allowed}});
         }
         return Json{{"Decisions", std::move(decisions)}};
       }},
  };
}

}  // namespace vedette
