#include "store/metadata/sqlite/sqlite_metadata.hpp"

#include <string_view>

#include "store/metadata/sqlite/repositories.hpp"

namespace vedette::embedded {
extern const std::string_view migration_0001, migration_0002, migration_0003, migration_0004, migration_0005,
    migration_0006, migration_0007, migration_0008;
}

namespace vedette {
namespace {

/// A repository that is made when it is first asked for, since most units of work need only one or two.
template <typename T>
class Lazy {
 public:
  using Make = std::unique_ptr<T> (*)(sqlite::Connection&);
  Lazy(sqlite::Connection& connection, Make make) : connection_(connection), make_(make) {}
  T& get() {
    if (!repository_) repository_ = make_(connection_);
    return *repository_;
  }

 private:
  sqlite::Connection& connection_;
  const Make make_;
  std::unique_ptr<T> repository_;
};

class SqliteUnitOfWork : public UnitOfWork {
 public:
  SqliteUnitOfWork(sqlite::Pool& pool, sqlite::Transaction::Access access) : transaction_(pool, access) {}
  ProjectRepository& projects() override { return projects_.get(); }
  DatasetRepository& datasets() override { return datasets_.get(); }
  ModelRepository& models() override { return models_.get(); }
  PackagingJobRepository& packaging_jobs() override { return packaging_jobs_.get(); }
  TrialDetectionRepository& trial_detections() override { return trial_detections_.get(); }
  VerifiedPictureRepository& verified_pictures() override { return verified_pictures_.get(); }
  DatasetCheckRepository& dataset_checks() override { return dataset_checks_.get(); }
  StationRepository& stations() override { return stations_.get(); }
  JobRepository& jobs() override { return jobs_.get(); }
  UserRepository& users() override { return users_.get(); }
  TokenRepository& tokens() override { return tokens_.get(); }
  MetricPointRepository& metric_points() override { return metric_points_.get(); }
  void commit() override { transaction_.commit(); }

 private:
  sqlite::Transaction transaction_;
  Lazy<ProjectRepository> projects_{transaction_.connection(), sqlite::make_projects};
  Lazy<DatasetRepository> datasets_{transaction_.connection(), sqlite::make_datasets};
  Lazy<ModelRepository> models_{transaction_.connection(), sqlite::make_models};
  Lazy<PackagingJobRepository> packaging_jobs_{transaction_.connection(), sqlite::make_packaging_jobs};
  Lazy<TrialDetectionRepository> trial_detections_{transaction_.connection(), sqlite::make_trial_detections};
  Lazy<VerifiedPictureRepository> verified_pictures_{transaction_.connection(), sqlite::make_verified_pictures};
  Lazy<DatasetCheckRepository> dataset_checks_{transaction_.connection(), sqlite::make_dataset_checks};
  Lazy<StationRepository> stations_{transaction_.connection(), sqlite::make_stations};
  Lazy<JobRepository> jobs_{transaction_.connection(), sqlite::make_jobs};
  Lazy<UserRepository> users_{transaction_.connection(), sqlite::make_users};
  Lazy<TokenRepository> tokens_{transaction_.connection(), sqlite::make_tokens};
  Lazy<MetricPointRepository> metric_points_{transaction_.connection(), sqlite::make_metric_points};
};

class SqliteMetadata : public MetadataStore {
 public:
  explicit SqliteMetadata(const std::filesystem::path& path) : pool_(path) {
    sqlite::Connection connection(path);
    sqlite::check(connection);
    sqlite::migrate(connection, {{1, embedded::migration_0001},
                                 {2, embedded::migration_0002},
                                 {3, embedded::migration_0003},
                                 {4, embedded::migration_0004},
                                 {5, embedded::migration_0005},
                                 {6, embedded::migration_0006},
                                 {7, embedded::migration_0007},
                                 {8, embedded::migration_0008}});
  }
  std::unique_ptr<UnitOfWork> read() override {
    return std::make_unique<SqliteUnitOfWork>(pool_, sqlite::Transaction::Access::read);
  }
  std::unique_ptr<UnitOfWork> write() override {
    return std::make_unique<SqliteUnitOfWork>(pool_, sqlite::Transaction::Access::write);
  }

 private:
  sqlite::Pool pool_;
};

}  // namespace

std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path) {
  return std::make_unique<SqliteMetadata>(path);
}

}  // namespace vedette
