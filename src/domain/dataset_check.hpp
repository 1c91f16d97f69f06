#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/domain.hpp"

/// Checks of the datasets of a project: before a training, the server looks in the background for what may spoil it.
/// Each project has one check at most, the latest.
namespace vedette {

enum class CheckStatus { running, completed, failed };

struct DatasetCheck {
  std::string project;
  std::string uid;  ///< Identifies this check; the next one of the project has another uid.
  CheckStatus status = CheckStatus::running;
  std::string status_message;
  /// Tells the datasets that were checked, in the state in which they were (dataset_state()).
  std::string dataset_state;
  std::int64_t images = 0, checked = 0;  ///< how many labelled pictures there are, and have been looked at
  Timestamp created{}, updated{};
};

struct DatasetFinding {
  std::string kind;  ///< such as "EXACT_DUPLICATE"
  DatasetType dataset = DatasetType::train;
  std::optional<std::string> source_ref;  ///< empty if the finding concerns no single picture
  std::optional<DatasetType> related_dataset;
  std::optional<std::string> related_ref;  ///< the picture that it is a copy of, or that contradicts it
  std::string detail;                      ///< one sentence
};

struct FindingCount {
  std::string kind;
  std::int64_t count = 0;
};

/// Returns a text that changes whenever a dataset of the project is made, changed or deleted.
std::string dataset_state(const std::vector<Dataset>& datasets);

std::string_view to_text(CheckStatus status);  ///< Returns a text such as "RUNNING".
/// Reads stored text. Throws std::invalid_argument if the text is unknown, which means that the database is damaged.
CheckStatus parse_check_status(std::string_view text);

}  // namespace vedette
