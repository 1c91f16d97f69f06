#include "domain/trial_detection.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace vedette {
namespace {

constexpr std::array kStatuses = {std::pair{TrialStatus::running, "RUNNING"},
                                  std::pair{TrialStatus::completed, "COMPLETED"},
                                  std::pair{TrialStatus::failed, "FAILED"}, std::pair{TrialStatus::stopped, "STOPPED"}};

}  // namespace

std::string_view to_text(TrialStatus status) {
  for (const auto& entry : kStatuses)
    if (entry.first == status) return entry.second;
  return {};
}

TrialStatus parse_trial_status(std::string_view text) {
  for (const auto& entry : kStatuses)
    if (entry.second == text) return entry.first;
  throw std::invalid_argument("an unknown status of a trial detection is stored: " + std::string(text));
}

}  // namespace vedette
