#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/dataset_check.hpp"
#include "domain/domain.hpp"

namespace vedette {

class DatasetCheckRepository {
 public:
  virtual ~DatasetCheckRepository() = default;
  /// Inserts the check of an existing project, and removes the one that the project had, with its findings.
  virtual void replace(const Scope& scope, const DatasetCheck& check) = 0;
  virtual std::optional<DatasetCheck> find(const Scope& scope, const std::string& project) = 0;
  virtual std::optional<DatasetCheck> find(const std::string& uid) = 0;
  /// Stores state, counts, message and time of a check that runs. Returns false if the check is gone or does not run.
  virtual bool update(const DatasetCheck& check) = 0;
  /// Ends a check that runs, with its findings. Returns false if the check is gone or does not run.
  virtual bool finish(const std::string& uid, CheckStatus status, const std::string& message,
                      const std::vector<DatasetFinding>& findings, Timestamp now) = 0;
  /// Returns the kinds of findings that there are, in the order of their first findings.
  virtual std::vector<FindingCount> count_findings(const std::string& uid) = 0;
  /// Returns up to `limit` findings, of one kind if there is a `kind`, in the order in which they were stored, without
  /// the first `offset` ones.
  virtual std::vector<DatasetFinding> findings_at(const std::string& uid, const std::optional<std::string>& kind,
                                                  std::int64_t offset, std::int64_t limit) = 0;
};

}  // namespace vedette
