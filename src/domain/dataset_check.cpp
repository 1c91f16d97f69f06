#include "domain/dataset_check.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace vedette {
namespace {

constexpr std::array kStatuses = {std::pair{CheckStatus::running, "RUNNING"},
                                  std::pair{CheckStatus::completed, "COMPLETED"},
                                  std::pair{CheckStatus::failed, "FAILED"}};

}  // namespace

std::string dataset_state(const std::vector<Dataset>& datasets) {
  std::string out;
  for (const auto& dataset : datasets)
    out += std::string(to_text(dataset.type)) + " " + dataset.uid + " " +
           std::to_string(dataset.updated.time_since_epoch().count()) + "\n";
  return out;
}

std::string_view to_text(CheckStatus status) {
  for (const auto& entry : kStatuses)
    if (entry.first == status) return entry.second;
  return {};
}

CheckStatus parse_check_status(std::string_view text) {
  for (const auto& entry : kStatuses)
    if (entry.second == text) return entry.first;
  throw std::invalid_argument("an unknown status of a dataset check is stored: " + std::string(text));
}

}  // namespace vedette
