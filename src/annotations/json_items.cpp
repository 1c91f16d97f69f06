#include "annotations/json_items.hpp"

#include <cmath>

namespace vedette {
namespace {

constexpr int kDeepest = 64;
constexpr std::size_t kMostOutside = 10'000;  // The most values outside of items, which are kept until the end.
constexpr std::size_t kLongestReason = 200;

struct Refusal {
  const char* reason;
};

Error broken(const std::string& file, std::string reason) {
  // The library's messages begin with "[json.exception…] " and may quote what is in the file.
  if (const auto end = reason.find("] "); reason.starts_with('[') && end != std::string::npos) reason.erase(0, end + 2);
  if (reason.size() > kLongestReason) reason.resize(kLongestReason);
  while (!is_utf8(reason)) reason.pop_back();
  return invalid_input(file + " is no JSON that can be read: " + reason);
}

/// Counts depth and values, and refuses what is too much.
class Guard {
 public:
  explicit Guard(std::size_t most_values) : most_values_(most_values) {}
  void check(int depth, Json::parse_event_t event, int item_depth) {
    if (depth > kDeepest) throw Refusal{"it is nested too deeply"};
    if (event == Json::parse_event_t::object_start && depth == item_depth) values_ = 0;
    if (++values_ > most_values_) throw Refusal{"one of its entries is too large"};
    const bool is_outside = depth < item_depth || (depth == item_depth && event == Json::parse_event_t::key);
    if (is_outside && ++outside_ > kMostOutside) throw Refusal{"it has too many members outside of its lists"};
  }

 private:
  const std::size_t most_values_;
  std::size_t values_ = 0, outside_ = 0;
};

}  // namespace

Result<void> for_each_item(std::string_view text, const std::string& file, int depth, std::size_t most_values,
                           const OnItem& on_item) {
  Guard guard(most_values);
  std::string list;
  std::size_t index = 0;
  const auto on_event = [&](int at, Json::parse_event_t event, Json& parsed) {
    guard.check(at, event, depth);
    if (event == Json::parse_event_t::key && at == 1 && depth == 2) {
      list = parsed.get<std::string>();
      index = 0;
    }
    if (at != depth) return true;
    if (event == Json::parse_event_t::object_end) on_item(list, index++, parsed);
    // Nothing at this depth is kept: neither items nor stray values.
    return event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start ||
           event == Json::parse_event_t::key;
  };
  try {
    const auto rest = Json::parse(text.begin(), text.end(), on_event);
    if (!rest.is_discarded() && !rest.is_structured()) return broken(file, "it is neither an object nor a list");
  } catch (const Json::exception& e) {
    return broken(file, e.what());
  } catch (const Refusal& refusal) {
    return broken(file, refusal.reason);
  }
  return {};
}

Result<Json> parse_one_item(std::string_view text, const std::string& file, std::size_t most_values) {
  Guard guard(most_values);
  try {
    return Json::parse(text.begin(), text.end(), [&](int at, Json::parse_event_t event, Json&) {
      guard.check(at, event, -1);
      return true;
    });
  } catch (const Json::exception& e) {
    return broken(file, e.what());
  } catch (const Refusal& refusal) {
    return broken(file, refusal.reason);
  }
}

const Json* find_member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(name);
  return it == object.end() ? nullptr : &*it;
}

std::string text_of(const Json& object, const char* name) {
  const auto* value = find_member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<double> coordinate_of(const Json* value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const auto number = value->get<double>();
  // Comparisons with NaN are false.
  if (!(std::abs(number) <= kMostCoordinate)) return std::nullopt;
  return number;
}

std::optional<std::uint32_t> count_of(const Json* value) {
  if (value == nullptr || !value->is_number_integer()) return std::nullopt;
  if (value->is_number_unsigned()) {
    const auto number = value->get<std::uint64_t>();
    if (number <= UINT32_MAX) return static_cast<std::uint32_t>(number);
  }
  return std::nullopt;
}

int side_of(const Json& object, const char* name) {
  const auto side = coordinate_of(find_member(object, name));
  return side && *side >= 1 && *side <= kMostSide && *side == std::floor(*side) ? static_cast<int>(*side) : 0;
}

std::string id_of(const Json* value) {
  return value != nullptr && (value->is_number() || value->is_string()) ? value->dump() : std::string();
}

}  // namespace vedette
