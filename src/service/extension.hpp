#pragma once

#include <string>
#include <vector>

#include "api/vedette/messages.hpp"
#include "audit/audit_trail.hpp"
#include "auth/identities.hpp"
#include "auth/key_ring.hpp"
#include "metrics/metrics.hpp"
#include "nodes/nodes.hpp"
#include "service/annotation_transfer.hpp"
#include "service/service.hpp"
#include "service/stations.hpp"
#include "store/model_files/model_files.hpp"
#include "thumbnails/thumbnails.hpp"

/// Implements the operations of the service `vedette` that need more than one call of auth/identities.hpp or
/// metrics/metrics.hpp. All functions are thread-safe and block on the database.
namespace vedette {

struct ExtensionServices {
  LookoutVision& lookout_vision;
  MetadataStore& metadata;
  Metrics& metrics;
  Identities& identities;
  KeyRing& keys;
  ModelFiles models;
  Thumbnails& thumbnails;
  AnnotationTransfer& annotations;
  Stations& stations;
  NodeRegistry& nodes;
  AuditTrail& audit;
};

struct TrainingState {
  Model model;
  std::optional<extension::Progress> progress;  ///< empty before the first report
};
Result<TrainingState> training_progress(ExtensionServices& services, const CallContext& call,
                                        const lookoutvision::ModelRequest& request);

/// Holds one page of the pictures that a training judged or, after those, skipped, and all other results of its
/// evaluation.
struct EvaluationPage {
  Model model;
  extension::Evaluation evaluation;
  std::string next_token;  ///< empty on the last page
};
/// Fails with not_found if there is no such model, or if the model has no evaluation because it is not trained, or was
/// trained before evaluations were kept.
Result<EvaluationPage> describe_evaluation(ExtensionServices& services, const CallContext& call,
                                           const lookoutvision::ModelRequest& request,
                                           const lookoutvision::PageRequest& page);

/// Returns for each named picture, in the same order, a thumbnail or why there is none. Whoever may not read a picture
/// is not told whether it exists. Fails as Thumbnails::make does.
Result<std::vector<extension::Thumbnail>> get_thumbnails(ExtensionServices& services, const CallContext& call,
                                                         const extension::GetThumbnailsRequest& request);

/// Fails with invalid_input if the time frame is empty, if the period is not a multiple of a minute, or if the answer
/// would have more than 100,000 points.
Result<std::vector<extension::Datapoint>> metric_statistics(ExtensionServices& services, const CallContext& call,
                                                            const extension::MetricStatisticsRequest& request);

/// Returns lines of the audit log that are about calls of the caller's account, in all regions. Fails with invalid_input
/// if the time frame is empty or the token does not belong to these filters, and otherwise as AuditTrail::read()
/// does.
Result<extension::AuditEvents> list_audit_events(const ExtensionServices& services, const CallContext& call,
                                                 const extension::ListAuditEventsRequest& request);

Result<Page<MetricSeries>> list_metrics(ExtensionServices& services, const CallContext& call,
                                        const lookoutvision::PageRequest& request);
Result<Page<membership::Watch::Seen>> list_nodes(ExtensionServices& services, const CallContext& call,
                                                 const lookoutvision::PageRequest& request);
Result<Page<User>> list_users(ExtensionServices& services, const CallContext& call,
                              const lookoutvision::PageRequest& request);

}  // namespace vedette
