#include "store/metadata/repositories/sql_metadata.hpp"

#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

/// A repository that is made when it is first asked for, since most units of work need only one or two.
template <typename T>
class Lazy {
 public:
  using Make = std::unique_ptr<T> (*)(Connection&);
  Lazy(Connection& connection, Make make) : connection_(connection), make_(make) {}
  T& get() {
    if (!repository_) repository_ = make_(connection_);
    return *repository_;
  }

 private:
  Connection& connection_;
  const Make make_;
  std::unique_ptr<T> repository_;
};

class SqlUnitOfWork : public UnitOfWork {
 public:
  SqlUnitOfWork(sql::Pool& pool, sql::Access access) : transaction_(pool, access) {}
  ProjectRepository& projects() override { return projects_.get(); }
  DatasetRepository& datasets() override { return datasets_.get(); }
  ModelRepository& models() override { return models_.get(); }
  ModelHostRepository& model_hosts() override { return model_hosts_.get(); }
  PackagingJobRepository& packaging_jobs() override { return packaging_jobs_.get(); }
  TrialDetectionRepository& trial_detections() override { return trial_detections_.get(); }
  VerifiedPictureRepository& verified_pictures() override { return verified_pictures_.get(); }
  DatasetCheckRepository& dataset_checks() override { return dataset_checks_.get(); }
  StationRepository& stations() override { return stations_.get(); }
  JobRepository& jobs() override { return jobs_.get(); }
  NodeRepository& nodes() override { return nodes_.get(); }
  InstallationRepository& installation() override { return installation_.get(); }
  UserRepository& users() override { return users_.get(); }
  TokenRepository& tokens() override { return tokens_.get(); }
  MetricPointRepository& metric_points() override { return metric_points_.get(); }
  AuditLineRepository& audit_lines() override { return audit_lines_.get(); }
  Timestamp now() override { return transaction_.connection().now(); }
  void commit() { transaction_.commit(); }

 private:
  sql::Transaction transaction_;
  Lazy<ProjectRepository> projects_{transaction_.connection(), make_projects};
  Lazy<DatasetRepository> datasets_{transaction_.connection(), make_datasets};
  Lazy<ModelRepository> models_{transaction_.connection(), make_models};
  Lazy<ModelHostRepository> model_hosts_{transaction_.connection(), make_model_hosts};
  Lazy<PackagingJobRepository> packaging_jobs_{transaction_.connection(), make_packaging_jobs};
  Lazy<TrialDetectionRepository> trial_detections_{transaction_.connection(), make_trial_detections};
  Lazy<VerifiedPictureRepository> verified_pictures_{transaction_.connection(), make_verified_pictures};
  Lazy<DatasetCheckRepository> dataset_checks_{transaction_.connection(), make_dataset_checks};
  Lazy<StationRepository> stations_{transaction_.connection(), make_stations};
  Lazy<JobRepository> jobs_{transaction_.connection(), make_jobs};
  Lazy<NodeRepository> nodes_{transaction_.connection(), make_nodes};
  Lazy<InstallationRepository> installation_{transaction_.connection(), make_installation};
  Lazy<UserRepository> users_{transaction_.connection(), make_users};
  Lazy<TokenRepository> tokens_{transaction_.connection(), make_tokens};
  Lazy<MetricPointRepository> metric_points_{transaction_.connection(), make_metric_points};
  Lazy<AuditLineRepository> audit_lines_{transaction_.connection(), make_audit_lines};
};

class SqlMetadata : public MetadataStore {
 public:
  explicit SqlMetadata(std::unique_ptr<sql::Pool> pool) : pool_(std::move(pool)) {}
  using MetadataStore::look;
  using MetadataStore::read;
  std::unique_ptr<UnitOfWork> read() override { return open(sql::Access::read); }
  std::unique_ptr<UnitOfWork> look() override { return open(sql::Access::look); }
  void run_transaction(const std::function<bool(UnitOfWork&)>& function) override {
    sql::run_repeatedly([&] {
      SqlUnitOfWork work(*pool_, sql::Access::write);
      if (function(work) && !work.is_rolled_back()) work.commit();
    });
  }

 private:
  std::unique_ptr<UnitOfWork> open(sql::Access access) {
    std::unique_ptr<UnitOfWork> work;
    sql::run_repeatedly([&] { work = std::make_unique<SqlUnitOfWork>(*pool_, access); });
    return work;
  }

  const std::unique_ptr<sql::Pool> pool_;
};

}  // namespace

std::unique_ptr<MetadataStore> make_sql_metadata(std::unique_ptr<sql::Pool> pool) {
  return std::make_unique<SqlMetadata>(std::move(pool));
}

}  // namespace vedette::metadata
