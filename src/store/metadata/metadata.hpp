#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/domain.hpp"

/// Everything the server remembers but objects. One interface, a backend in each sibling folder, one test suite over
/// all. Expected outcomes are values (an optional, a bool); a failing database throws.
namespace vedette {

struct User {
  std::string account, name;
  std::vector<std::string> policies;  ///< names of those attached, sorted
  Timestamp created{};
};

/// A named policy of the account's own; managed ones are part of the program (auth/).
struct StoredPolicy {
  std::string account, name;
  std::string document;  ///< IAM-style JSON
  Timestamp created{};
};

struct AccessKey {
  std::string access_key_id;
  std::string account, user;
  std::string sealed_secret;  ///< bytes: base/digest.hpp's seal()
  bool is_active = true;
  Timestamp created{};
};

struct EntryFilter {
  std::optional<bool> is_labeled, is_anomalous;
  std::optional<Timestamp> created_before, created_after;
  std::optional<std::string> source_ref_contains;
};

struct NumberedEntry {
  std::int64_t position;
  DatasetEntry entry;
};

struct ScopedModel {
  Scope scope;
  Model model;
};

/// One unit of background work. `kind` and `payload` belong to whoever handles it.
struct Job {
  std::int64_t id = 0;
  std::string kind;
  std::string payload;  ///< JSON
  std::int64_t attempts = 0;
  std::string attachment;  ///< bytes, empty unless given
  std::string request_id;  ///< of the request that asked for it; empty: none did, or an older version inserted it
};

/// A job that is to be inserted; its members are those of Job.
struct NewJob {
  std::string kind, payload;
  Timestamp ready;  ///< nobody claims it before
  std::string request_id = {}, attachment = {};
};

/// What a client token stood for.
struct RememberedToken {
  std::string parameters_hash;
  std::string resource;  ///< what the operation needs to answer again
};

/// How far a training is, as its last report said.
struct TrainingProgress {
  Timestamp started{}, updated{};
  std::string stage;
  double fraction = 0;  ///< 0 … 1
  std::optional<double> seconds_left;
};

/// What happened to one metric in [start, start + period).
struct MetricPoint {
  Scope scope;
  std::string metric, project, version;  ///< version may be empty: calls that concern no model
  std::int64_t start = 0;                ///< seconds since the epoch, a multiple of the period
  std::int64_t period = 60;              ///< seconds
  double sum = 0;
  std::int64_t count = 0;
  double minimum = 0, maximum = 0;
};

/// Whose points of which metric.
struct MetricSeries {
  std::string metric, project, version;
};

struct MetricQuery {
  Scope scope;
  std::string metric;
  std::optional<std::string> project, version;  ///< empty: all together
  std::int64_t start = 0, end = 0;              ///< seconds since the epoch, end excluded
  std::int64_t period = 60;                     ///< seconds per answered point
};

class ProjectRepository {
 public:
  virtual ~ProjectRepository() = default;
  virtual bool insert(const Scope& scope, const Project& project) = 0;  ///< false: the name is taken
  virtual std::optional<Project> find(const Scope& scope, const std::string& name) = 0;
  virtual std::vector<Project> list(const Scope& scope, const std::string& after_name,
                                    std::int64_t limit) = 0;  ///< by name
  virtual std::int64_t count(const Scope& scope) = 0;
  virtual bool remove(const Scope& scope, const std::string& name) = 0;
  /// The next model version of an existing project; numbers are never used twice.
  virtual std::int64_t next_model_version(const Scope& scope, const std::string& name) = 0;
};

class DatasetRepository {
 public:
  virtual ~DatasetRepository() = default;
  virtual bool insert(const Scope& scope, const Dataset& dataset) = 0;  ///< false: there is one of this type
  virtual std::optional<Dataset> find(const Scope& scope, const std::string& project, DatasetType type) = 0;
  virtual std::vector<Dataset> list(const Scope& scope, const std::string& project) = 0;  ///< train first
  /// Compare-and-set by uid; false if the dataset is gone or in another state.
  virtual bool move(const std::string& uid, DatasetStatus from, DatasetStatus to, const std::string& message,
                    Timestamp now) = 0;
  virtual bool remove(const std::string& uid) = 0;  ///< with its entries
  virtual void replace_entries(const std::string& uid, const std::vector<DatasetEntry>& entries) = 0;
  /// Entries whose source_ref is there already take the old one's place, others follow at the end.
  virtual void update_entries(const std::string& uid, const std::vector<DatasetEntry>& entries) = 0;
  virtual std::vector<NumberedEntry> list_entries(const std::string& uid, const EntryFilter& filter,
                                                  std::int64_t after_position, std::int64_t limit) = 0;
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
  virtual std::int64_t count_in_state(const Scope& scope, ModelStatus status) = 0;
  /// Compare-and-set by uid.
  virtual bool move(const std::string& uid, ModelStatus from, ModelStatus to, const std::string& message) = 0;
  /// A new message in the same state.
  virtual bool set_message(const std::string& uid, ModelStatus in_state, const std::string& message) = 0;
  virtual void set_evaluation(const std::string& uid, const Performance& performance, const ObjectLocation& manifest,
                              const ObjectLocation& result, Timestamp end) = 0;
  virtual void set_units(const std::string& uid, std::int64_t minimum, std::optional<std::int64_t> maximum) = 0;
  virtual void set_tag(const std::string& uid, const Tag& tag) = 0;
  virtual void remove_tag(const std::string& uid, const std::string& key) = 0;
  virtual void set_progress(const std::string& uid, const TrainingProgress& progress) = 0;  ///< keeps an earlier start
  virtual std::optional<TrainingProgress> progress(const std::string& uid) = 0;
  virtual std::int64_t count(const Scope& scope, const std::string& project) = 0;
  virtual bool remove(const std::string& uid) = 0;
};

class PackagingJobRepository {
 public:
  virtual ~PackagingJobRepository() = default;
  virtual bool insert(const Scope& scope, const PackagingJob& job) = 0;  ///< false: the project has a job of this name
  virtual std::optional<PackagingJob> find(const Scope& scope, const std::string& project, const std::string& name) = 0;
  /// In order of creation, then name; those behind a place in that order.
  struct Place {
    std::int64_t created_ms = 0;
    std::string name;
  };
  virtual std::vector<PackagingJob> list(const Scope& scope, const std::string& project, const Place& after,
                                         std::int64_t limit) = 0;
  /// Whether a job that has not failed makes or made this component.
  virtual bool has_component(const Scope& scope, const std::string& name, const std::string& version) = 0;
  /// Compare-and-set.
  virtual bool move(const Scope& scope, const std::string& project, const std::string& name, PackagingJobStatus from,
                    PackagingJobStatus to, const std::string& message, Timestamp now) = 0;
};

class JobRepository {
 public:
  virtual ~JobRepository() = default;
  virtual std::int64_t insert(const NewJob& job) = 0;  ///< returns its id
  /// Leases the oldest ready job of the kind in one statement.
  virtual std::optional<Job> claim(const std::string& kind, const std::string& worker, Timestamp now,
                                   Timestamp lease_until) = 0;
  virtual bool renew(std::int64_t id, const std::string& worker, Timestamp lease_until) = 0;
  virtual bool complete(std::int64_t id, const std::string& worker) = 0;
  /// Gives the job back, ready again at `ready`.
  virtual bool release(std::int64_t id, const std::string& worker, Timestamp ready) = 0;
  /// Gives back what workers whose name begins with the prefix held: a node that starts knows that its former self is
  /// dead.
  virtual void release_all(const std::string& worker_prefix, Timestamp ready) = 0;
};

class UserRepository {
 public:
  virtual ~UserRepository() = default;
  virtual bool insert(const User& user) = 0;  ///< with the policies attached; false: there is one of this name
  virtual std::optional<User> find(const std::string& account, const std::string& name) = 0;
  virtual std::vector<User> list(const std::string& account, const std::string& after_name, std::int64_t limit) = 0;
  virtual bool remove(const std::string& account, const std::string& name) = 0;  ///< with keys and attachments
  virtual bool attach(const std::string& account, const std::string& user,
                      const std::string& policy) = 0;  ///< false: it was attached
  virtual bool detach(const std::string& account, const std::string& user, const std::string& policy) = 0;

  virtual void put_policy(const StoredPolicy& policy) = 0;  ///< new, or a new document
  virtual std::optional<StoredPolicy> find_policy(const std::string& account, const std::string& name) = 0;
  virtual std::vector<StoredPolicy> list_policies(const std::string& account) = 0;  ///< by name
  virtual bool remove_policy(const std::string& account, const std::string& name) = 0;
  virtual bool is_attached(const std::string& account, const std::string& policy) = 0;  ///< to anybody

  virtual void insert_key(const AccessKey& key) = 0;
  virtual std::optional<AccessKey> find_key(const std::string& access_key_id) = 0;
  /// By creation; of one user, or of all.
  virtual std::vector<AccessKey> list_keys(const std::optional<std::string>& account,
                                           const std::optional<std::string>& user) = 0;
  virtual bool deactivate_key(const std::string& access_key_id) = 0;  ///< false: no such key
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

/// Metrics, kept for 15 months: a point per minute for 15 days, per 5 minutes for 63, then per hour.
class MetricPointRepository {
 public:
  virtual ~MetricPointRepository() = default;
  virtual void add(const MetricPoint& point) = 0;  ///< adds to what is there
  /// In time order; empty periods are left out. Each point's start is a multiple of the query's period.
  virtual std::vector<MetricPoint> query(const MetricQuery& query) = 0;
  /// Series that were ever added to, in the order of metric, project and version, behind a place in it.
  virtual std::vector<MetricSeries> list(const Scope& scope, const MetricSeries& after, std::int64_t limit) = 0;
  /// Makes old points coarser and drops the oldest, a few thousand in one go; true if there is more to do.
  virtual bool compact(Timestamp now) = 0;
};

/// One transaction across all repositories; undone unless committed. Used by one thread.
class UnitOfWork {
 public:
  virtual ~UnitOfWork() = default;
  virtual ProjectRepository& projects() = 0;
  virtual DatasetRepository& datasets() = 0;
  virtual ModelRepository& models() = 0;
  virtual PackagingJobRepository& packaging_jobs() = 0;
  virtual JobRepository& jobs() = 0;
  virtual UserRepository& users() = 0;
  virtual TokenRepository& tokens() = 0;
  virtual MetricPointRepository& metric_points() = 0;
  virtual void commit() = 0;
};

/// Thread-safe.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;
  virtual std::unique_ptr<UnitOfWork> read() = 0;   ///< a consistent view
  virtual std::unique_ptr<UnitOfWork> write() = 0;  ///< excludes other writers
};

}  // namespace vedette
