#pragma once

#include <memory>

#include "store/metadata/metadata.hpp"
#include "store/sql/sql.hpp"

/// The repositories over one connection to any database; each has its own source file. Only one thread may use them.
namespace vedette::metadata {

using sql::Connection;
using sql::Statement;

std::unique_ptr<ProjectRepository> make_projects(Connection& connection);
std::unique_ptr<DatasetRepository> make_datasets(Connection& connection);
std::unique_ptr<ModelRepository> make_models(Connection& connection);
std::unique_ptr<ModelHostRepository> make_model_hosts(Connection& connection);
std::unique_ptr<PackagingJobRepository> make_packaging_jobs(Connection& connection);
std::unique_ptr<TrialDetectionRepository> make_trial_detections(Connection& connection);
std::unique_ptr<VerifiedPictureRepository> make_verified_pictures(Connection& connection);
std::unique_ptr<DatasetCheckRepository> make_dataset_checks(Connection& connection);
std::unique_ptr<StationRepository> make_stations(Connection& connection);
std::unique_ptr<JobRepository> make_jobs(Connection& connection);
std::unique_ptr<NodeRepository> make_nodes(Connection& connection);
std::unique_ptr<InstallationRepository> make_installation(Connection& connection);
std::unique_ptr<UserRepository> make_users(Connection& connection);
std::unique_ptr<TokenRepository> make_tokens(Connection& connection);
std::unique_ptr<MetricPointRepository> make_metric_points(Connection& connection);
std::unique_ptr<AuditLineRepository> make_audit_lines(Connection& connection);

inline std::int64_t stored(Timestamp time) {
  return time.time_since_epoch().count();
}
inline Timestamp loaded(std::int64_t milliseconds) {
  return Timestamp{std::chrono::milliseconds{milliseconds}};
}

}  // namespace vedette::metadata
