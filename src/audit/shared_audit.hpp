#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "audit/audit_trail.hpp"
#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// The audit of an installation of several nodes. Every node writes its own files first (AuditLog). A thread brings their
/// lines to the database, a second later at most, and everybody reads them there. Who writes a line does not wait for
/// that: while the database is away, lines wait in their file. How far a file has come is what the database holds of it,
/// so that a crash loses no line and brings none twice. Lines that are as old as --audit-days says are removed from the
/// database.
///
/// Lines are listed by the times of their events. Thread-safe.
class SharedAudit : public AuditTrail {
 public:
  struct Options {
    std::filesystem::path folder;  ///< where this node's AuditLog writes
    std::string node;              ///< its id
    int days_kept = 0;             ///< 0: for ever
  };
  SharedAudit(MetadataStore& store, const Clock& clock, Options options);
  /// Ends the thread, and brings what is left to the database if that answered lately.
  ~SharedAudit() override;
  SharedAudit(const SharedAudit&) = delete;
  SharedAudit& operator=(const SharedAudit&) = delete;

  /// Says of the days around today how much of this node's files the database holds, for AuditLog.
  std::map<std::string, std::int64_t> taken();
  void start();

  /// Reads what all nodes have brought to the database, and first has this node bring what it has, which it waits for a
  /// moment. Throws what the database throws.
  Result<AuditPage> read(const AuditQuery& query, const std::string& from, std::size_t most) override;
  /// Returns how old the oldest line is that this node has not brought yet, in the text exposition format of Prometheus.
  [[nodiscard]] std::string to_prometheus() const;

  // Only the thread of start() calls these, and tests that have not started it.

  /// Brings some lines. Returns false if there are no more. Throws what the database throws, also when it is not known
  /// whether the lines have come.
  bool ship_some();
  /// Removes some of the lines that are too old. Returns whether there may be more.
  bool remove_some();

 private:
  void loop();
  void ship_all();
  /// Has the thread bring all lines, and waits for that a moment.
  void ship_soon();
  [[nodiscard]] bool is_stopping() const;
  std::int64_t& position_of(const std::string& day);

  MetadataStore& store_;
  const Clock& clock_;
  const Options options_;
  std::map<std::string, std::int64_t>
      positions_;  ///< by day: how much of the file was brought; of days that were asked for
  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::optional<Timestamp> oldest_ GUARDED_BY(mutex_);  ///< the time of the oldest line that is still to be brought
  std::uint64_t wanted_ GUARDED_BY(mutex_) = 0, done_ GUARDED_BY(mutex_) = 0;  ///< rounds that were asked for and made
  bool is_away_ GUARDED_BY(mutex_) = false;                                    ///< The last round failed.
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vedette
