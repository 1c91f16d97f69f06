#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "domain/domain.hpp"
#include "store/metadata/audit_lines.hpp"
#include "store/metadata/dataset_checks.hpp"
#include "store/metadata/installation.hpp"
#include "store/metadata/jobs.hpp"
#include "store/metadata/model_hosts.hpp"
#include "store/metadata/nodes.hpp"
#include "store/metadata/stations.hpp"
#include "store/metadata/trial_detections.hpp"
#include "store/metadata/verified_pictures.hpp"

/// Everything that the server remembers, except objects. There is one interface, and one suite of tests for all
/// databases behind it. Expected outcomes are values (an optional, a bool). If the database fails, the function throws
/// one of the errors of store/sql/sql.hpp.
namespace vedette {

struct User {
  std::string account, name;
  std::vector<std::string> policies;  ///< The names of the attached policies, sorted.
  Timestamp created{};
};

/// A named policy that belongs to the account. Managed policies are part of the program (auth/).
struct StoredPolicy {
  std::string account, name;
  std::string document;  ///< IAM-style policy in JSON
  Timestamp created{};
};

struct AccessKey {
  std::string access_key_id;
  std::string account, user;
  std::string sealed_secret;  ///< The bytes that seal() of base/digest.hpp made of the secret.
  bool is_active = true;
  Timestamp created{};
};

struct EntryFilter {
  std::optional<bool> is_labeled = {}, is_anomalous = {};
  std::optional<Timestamp> created_before = {}, created_after = {};
  std::optional<std::string> source_ref_contains = {};
};

struct NumberedEntry {
  std::int64_t position;
  DatasetEntry entry;
};

struct ScopedModel {
  Scope scope;
  Model model;
};

/// The owner of an access key, as it is looked up for each call.
struct KeyOwner {
  AccessKey key;
  std::vector<std::string> policies;          ///< the names of the attached policies, sorted
  std::vector<StoredPolicy> stored_policies;  ///< those of them that belong to the account
};

/// What the server remembers about a client token.
struct RememberedToken {
  std::string parameters_hash;
  std::string resource;  ///< What the operation needs to give the same answer again.
};

/// The archive that a packaging job wrote.
struct PackagedArchive {
  std::string uri;     ///< s3://bucket/key
  std::string sha256;  ///< 64 hexadecimal digits
};

/// How far a training is, according to its last report.
struct TrainingProgress {
  Timestamp started{}, updated{};
  std::string stage;
  double fraction = 0;  ///< 0 … 1
  std::optional<double> seconds_left;
};

/// The run of a training job that made the model.
struct ChosenRun {
  std::string name;  ///< JobRun::name
  Timestamp time{};
};

/// A threshold of the anomaly score that a user chose for a model, in place of the one that the training chose.
struct MovedThreshold {
  double threshold = 0;
  std::string user;  ///< who chose it
  Timestamp time{};
};

/// The values of one metric in [start, start + period).
struct MetricPoint {
  Scope scope;
  std::string metric, project, version;  ///< The version may be empty: such calls concern no model.
  std::int64_t start = 0;                ///< In seconds since the epoch; a multiple of the period.
  std::int64_t period = 60;              ///< in seconds
  double sum = 0;
  std::int64_t count = 0;
  double minimum = 0, maximum = 0;
};

/// Says which metric of which project and version.
struct MetricSeries {
  std::string metric, project, version;
};

struct MetricQuery {
  Scope scope;
  std::string metric;
  std::optional<std::string> project, version;  ///< Empty: all projects or versions together.
  std::int64_t start = 0, end = 0;              ///< In seconds since the epoch; the end is excluded.
  std::int64_t period = 60;                     ///< The seconds that each returned point covers.
};

class ProjectRepository {
 public:
  virtual ~ProjectRepository() = default;
  virtual bool insert(const Scope& scope, const Project& project) = 0;  ///< Returns false if the name is taken.
  virtual std::optional<Project> find(const Scope& scope, const std::string& name) = 0;
  virtual std::vector<Project> list(const Scope& scope, const std::string& after_name,
                                    std::int64_t limit) = 0;   ///< in the order of names
  virtual std::int64_t count(const std::string& account) = 0;  ///< counts them in all regions
  virtual bool remove(const Scope& scope, const std::string& name) = 0;
  /// Returns the next model version of an existing project. A number is never used twice.
  virtual std::int64_t next_model_version(const Scope& scope, const std::string& name) = 0;
};

class DatasetRepository {
 public:
  virtual ~DatasetRepository() = default;
  /// Returns false if the project has a dataset of this type.
  virtual bool insert(const Scope& scope, const Dataset& dataset) = 0;
  virtual std::optional<Dataset> find(const Scope& scope, const std::string& project, DatasetType type) = 0;
  /// The training dataset comes first.
  virtual std::vector<Dataset> list(const Scope& scope, const std::string& project) = 0;
  /// Compares and sets the status of the dataset with this uid. Returns false if the dataset is gone or in another
  /// state.
  virtual bool move(const std::string& uid, DatasetStatus from, DatasetStatus to, const std::string& message,
                    Timestamp now) = 0;
  virtual bool remove(const std::string& uid) = 0;  ///< Removes the dataset and its entries.
  virtual void replace_entries(const std::string& uid, const std::vector<DatasetEntry>& entries) = 0;
  /// An entry whose source_ref exists already takes the place of the old entry; other entries follow at the end.
  virtual void update_entries(const std::string& uid, const std::vector<DatasetEntry>& entries) = 0;
  virtual std::vector<NumberedEntry> list_entries(const std::string& uid, const EntryFilter& filter,
                                                  std::int64_t after_position, std::int64_t limit) = 0;
  /// Returns up to `limit` entries in the same order, without the first `offset` ones.
  virtual std::vector<DatasetEntry> entries_at(const std::string& uid, std::int64_t offset, std::int64_t limit) = 0;
};

class ModelRepository {
 public:
  virtual ~ModelRepository() = default;
  virtual void insert(const Scope& scope, const Model& model) = 0;
  virtual std::optional<Model> find(const Scope& scope, const std::string& project, std::int64_t version) = 0;
  virtual std::optional<Model> find_latest(const Scope& scope, const std::string& project) = 0;
  virtual std::vector<Model> list(const Scope& scope, const std::string& project, std::int64_t after_version,
                                  std::int64_t limit) = 0;
  virtual std::vector<ScopedModel> list_in_states(const std::vector<ModelStatus>& states) = 0;
  virtual std::int64_t count_in_state(const std::string& account,
                                      ModelStatus status) = 0;  ///< counts them in all regions
  /// Returns nothing if the model is gone.
  virtual std::optional<ModelStatus> status(const std::string& uid) = 0;
  /// Compares and sets the status of the model with this uid. Returns false if the model is gone or in another state.
  virtual bool move(const std::string& uid, ModelStatus from, ModelStatus to, const std::string& message) = 0;
  /// Sets a new message if the model is in this state. Returns false if it is not.
  virtual bool set_message(const std::string& uid, ModelStatus in_state, const std::string& message) = 0;
  /// Remembers which run of the training made the model, and when that was decided. Everything that is published of the
  /// model is made from what this run left.
  virtual void choose_run(const std::string& uid, const ChosenRun& run) = 0;
  virtual std::optional<ChosenRun> chosen_run(const std::string& uid) = 0;
  /// `performance` is empty if the pictures of the evaluation do not tell it.
  virtual void set_evaluation(const std::string& uid, const std::optional<Performance>& performance,
                              const ObjectLocation& manifest, const ObjectLocation& result, Timestamp end) = 0;
  virtual void set_units(const std::string& uid, std::int64_t minimum, std::optional<std::int64_t> maximum) = 0;
  virtual void set_tag(const std::string& uid, const Tag& tag) = 0;
  virtual void remove_tag(const std::string& uid, const std::string& key) = 0;
  /// If a start is stored already, it is kept.
  virtual void set_progress(const std::string& uid, const TrainingProgress& progress) = 0;
  virtual std::optional<TrainingProgress> progress(const std::string& uid) = 0;
  /// Without a value the model gets back the threshold that its training chose.
  virtual void set_threshold(const std::string& uid, const std::optional<MovedThreshold>& threshold) = 0;
  virtual std::optional<MovedThreshold> threshold(const std::string& uid) = 0;
  virtual std::int64_t count(const Scope& scope, const std::string& project) = 0;
  virtual bool remove(const std::string& uid) = 0;
};

class PackagingJobRepository {
 public:
  virtual ~PackagingJobRepository() = default;
  /// Returns false if the project has a job of this name.
  virtual bool insert(const Scope& scope, const PackagingJob& job) = 0;
  virtual std::optional<PackagingJob> find(const Scope& scope, const std::string& project, const std::string& name) = 0;
  /// A place in the order of jobs, which is by creation time and then by name. list() returns the jobs after such a
  /// place.
  struct Place {
    std::int64_t created_ms = 0;
    std::string name;
  };
  virtual std::vector<PackagingJob> list(const Scope& scope, const std::string& project, const Place& after,
                                         std::int64_t limit) = 0;
  /// Returns whether a job that has not failed makes or made this component.
  virtual bool has_component(const Scope& scope, const std::string& name, const std::string& version) = 0;
  /// Compares and sets the status of the job. Returns false if the job is gone or in another state.
  virtual bool move(const Scope& scope, const std::string& project, const std::string& name, PackagingJobStatus from,
                    PackagingJobStatus to, const std::string& message, Timestamp now) = 0;
  /// Remembers an archive that the user will get, as an object of the system's bucket: `uri` is its key.
  virtual void choose_archive(const Scope& scope, const std::string& project, const std::string& name,
                              const PackagedArchive& archive) = 0;
  virtual std::optional<PackagedArchive> chosen_archive(const Scope& scope, const std::string& project,
                                                        const std::string& name) = 0;
  /// Says where the chosen archive is for the user.
  virtual void set_archive(const Scope& scope, const std::string& project, const std::string& name,
                           const std::string& uri) = 0;
  /// Returns nothing if the job has not succeeded, or if a version of the server that kept no archives ran it.
  virtual std::optional<PackagedArchive> archive(const Scope& scope, const std::string& project,
                                                 const std::string& name) = 0;
};

class UserRepository {
 public:
  virtual ~UserRepository() = default;
  /// Inserts the user with the attached policies. Returns false if there is a user of this name.
  virtual bool insert(const User& user) = 0;
  virtual std::optional<User> find(const std::string& account, const std::string& name) = 0;
  virtual std::vector<User> list(const std::string& account, const std::string& after_name, std::int64_t limit) = 0;
  /// Removes the user with all keys and attachments.
  virtual bool remove(const std::string& account, const std::string& name) = 0;
  virtual bool attach(const std::string& account, const std::string& user,
                      const std::string& policy) = 0;  ///< Returns false if the policy was attached already.
  virtual bool detach(const std::string& account, const std::string& user, const std::string& policy) = 0;

  /// Inserts a policy, or gives an existing one a new document.
  virtual void put_policy(const StoredPolicy& policy) = 0;
  virtual std::optional<StoredPolicy> find_policy(const std::string& account, const std::string& name) = 0;
  /// Policies are returned in the order of their names.
  virtual std::vector<StoredPolicy> list_policies(const std::string& account) = 0;
  virtual bool remove_policy(const std::string& account, const std::string& name) = 0;
  /// Returns whether the policy is attached to any user.
  virtual bool is_attached(const std::string& account, const std::string& policy) = 0;

  virtual void insert_key(const AccessKey& key) = 0;
  virtual std::optional<AccessKey> find_key(const std::string& access_key_id) = 0;
  /// Finds an active key with its user and the user's policies in one statement, because every call of the API needs
  /// them.
  virtual std::optional<KeyOwner> find_owner(const std::string& access_key_id) = 0;
  /// Returns keys in the order of their creation: those of one user, or of all users if `user` is empty.
  virtual std::vector<AccessKey> list_keys(const std::optional<std::string>& account,
                                           const std::optional<std::string>& user) = 0;
  virtual bool deactivate_key(const std::string& access_key_id) = 0;  ///< Returns false if there is no such key.
};

class TokenRepository {
 public:
  virtual ~TokenRepository() = default;
  virtual std::optional<RememberedToken> find(const Scope& scope, const std::string& operation,
                                              const std::string& token, Timestamp not_before) = 0;
  virtual void remember(const Scope& scope, const std::string& operation, const std::string& token,
                        const RememberedToken& value, Timestamp now) = 0;
  virtual void forget_before(Timestamp time) = 0;
};

/// Metrics are kept for 15 months: one point per minute for 15 days, then one per 5 minutes up to 63 days, then one per
/// hour.
class MetricPointRepository {
 public:
  virtual ~MetricPointRepository() = default;
  virtual void add(const MetricPoint& point) = 0;  ///< Adds the point to what is stored for the same series and time.
  /// Returns points in the order of time. Periods without values are left out. The start of each point is a multiple of
  /// the query's period.
  virtual std::vector<MetricPoint> query(const MetricQuery& query) = 0;
  /// Returns series that ever had a value, in the order of metric, project and version, beginning after the series
  /// `after`.
  virtual std::vector<MetricSeries> list(const Scope& scope, const MetricSeries& after, std::int64_t limit) = 0;
  /// Makes old points coarser and deletes the oldest, a few thousand in one call. Returns true if there is more to do.
  virtual bool compact(Timestamp now) = 0;
};

/// One transaction over all repositories. Only one thread may use it.
class UnitOfWork {
 public:
  virtual ~UnitOfWork() = default;
  virtual ProjectRepository& projects() = 0;
  virtual DatasetRepository& datasets() = 0;
  virtual ModelRepository& models() = 0;
  virtual ModelHostRepository& model_hosts() = 0;
  virtual PackagingJobRepository& packaging_jobs() = 0;
  virtual TrialDetectionRepository& trial_detections() = 0;
  virtual VerifiedPictureRepository& verified_pictures() = 0;
  virtual DatasetCheckRepository& dataset_checks() = 0;
  virtual StationRepository& stations() = 0;
  virtual JobRepository& jobs() = 0;
  virtual NodeRepository& nodes() = 0;
  virtual InstallationRepository& installation() = 0;
  virtual UserRepository& users() = 0;
  virtual TokenRepository& tokens() = 0;
  virtual MetricPointRepository& metric_points() = 0;
  virtual AuditLineRepository& audit_lines() = 0;

  /// Returns the database's time at the beginning of the transaction. Leases, the times of jobs, and whatever several
  /// nodes compare with one another come from here, and not from the clock of a node.
  virtual Timestamp now() = 0;
  /// Has the transaction undone when its function returns, whatever it returns.
  void roll_back_at_end() { is_rolled_back_ = true; }
  [[nodiscard]] bool is_rolled_back() const { return is_rolled_back_; }

 private:
  bool is_rolled_back_ = false;
};

template <typename T>
bool is_success(const T&) {
  return true;
}
template <typename T>
bool is_success(const Result<T>& result) {
  return result.has_value();
}

/// Opens units of work. Thread-safe.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;

  /// Opens a consistent view. It cannot write: whatever tries to throws DatabaseError. If the connection is lost while
  /// the view is used, DatabaseUnavailable is thrown.
  virtual std::unique_ptr<UnitOfWork> read() = 0;
  /// Runs a function over such a view and returns what it returns. The function runs again if the connection was lost.
  template <typename Function>
  auto read(Function&& function) -> std::invoke_result_t<Function&, UnitOfWork&> {
    std::optional<std::invoke_result_t<Function&, UnitOfWork&>> outcome;
    run_view([&] { return read(); }, [&](UnitOfWork& view) { outcome.emplace(function(view)); });
    return std::move(*outcome);
  }
  /// Opens a view whose statements each see the state of their own moment. Where a single statement is all that is read,
  /// this says the same as read(), and PostgreSQL answers it sooner.
  virtual std::unique_ptr<UnitOfWork> look() { return read(); }
  /// Runs a function over such a view and returns what it returns. The function runs again if the connection was lost.
  template <typename Function>
  auto look(Function&& function) -> std::invoke_result_t<Function&, UnitOfWork&> {
    std::optional<std::invoke_result_t<Function&, UnitOfWork&>> outcome;
    run_view([&] { return look(); }, [&](UnitOfWork& view) { outcome.emplace(function(view)); });
    return std::move(*outcome);
  }

  /// Runs a function in a transaction, which is as if no other one ran at the same time, and returns what the function
  /// returns. The transaction is committed if that is a success: nothing, a Result with a value, or any other value,
  /// also `false` and an empty optional. It is undone if the function returns a Result with an error or throws.
  ///
  /// The function runs AGAIN if another transaction got in the way or the connection was lost. So it must leave nothing
  /// behind but what it writes through its unit of work: it moves nothing out of what it captured, counts nothing, and
  /// wakes nobody. Files, objects and log lines come before or after it. After some seconds the last error is thrown;
  /// CommitInDoubt says that the transaction may have been committed.
  template <typename Function>
  auto write(Function&& function) -> std::invoke_result_t<Function&, UnitOfWork&> {
    using Outcome = std::invoke_result_t<Function&, UnitOfWork&>;
    if constexpr (std::is_void_v<Outcome>) {
      run_transaction([&](UnitOfWork& work) {
        function(work);
        return true;
      });
    } else {
      std::optional<Outcome> outcome;
      run_transaction([&](UnitOfWork& work) { return is_success(outcome.emplace(function(work))); });
      return std::move(*outcome);
    }
  }

  /// What write() is made of, for stores that stand before another one. The transaction is committed if the function
  /// returns true and the unit of work is not to be rolled back.
  virtual void run_transaction(const std::function<bool(UnitOfWork&)>& function) = 0;

 private:
  static void run_view(const std::function<std::unique_ptr<UnitOfWork>()>& open,
                       const std::function<void(UnitOfWork&)>& function);
};

}  // namespace vedette
