#include "annotations/json_items.hpp"

#include <cmath>

namespace vedette {
namespace {

constexpr int kDeepest = 64;
constexpr std::size_t kLongestReason = 200;

Error broken(const std::string& file, std::string reason) {
  // The library's messages begin with "[json.exception…] " and may quote what is in the file.
  if (const auto end = reason.find("] "); reason.starts_with('[') && end != std::string::npos) reason.erase(0, end + 2);
  if (reason.size() > kLongestReason) reason.resize(kLongestReason);
  while (!is_utf8(reason)) reason.pop_back();
  return invalid_input(file + " is no JSON that can be read: " + reason);
}

/// Makes trees of the objects at one depth, one at a time, and keeps nothing else. (The parser of the library that calls
/// back for each value looks through a whole list at the end of each of its objects.)
class ItemReader : public Json::json_sax_t {
 public:
  ItemReader(int item_depth, std::size_t most_values, const OnItem& on_item)
      : item_depth_(item_depth), most_values_(most_values), on_item_(on_item) {}
  /// Why the text cannot be read, after a call has returned false.
  [[nodiscard]] const std::string& fault() const { return fault_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return refuse("it holds bytes"); }
  bool start_object(std::size_t) override {
    if (open_.empty() && depth_ == item_depth_) {
      item_ = Json::object();
      values_ = 0;
      open_.push_back(&item_);
      ++depth_;
      return true;
    }
    return begin(Json::object());
  }
  bool key(string_t& name) override {
    if (open_.empty() && depth_ == 1 && item_depth_ == 2) {
      list_ = std::move(name);
      index_ = 0;
    } else {
      key_ = std::move(name);
    }
    return true;
  }
  bool end_object() override {
    end();
    if (depth_ == item_depth_ && item_.is_object()) {
      on_item_(list_, index_++, item_);
      item_ = nullptr;
    }
    return true;
  }
  bool start_array(std::size_t) override { return begin(Json::array()); }
  bool end_array() override {
    end();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    return refuse(error.what());
  }

 private:
  bool refuse(const char* reason) {
    fault_ = reason;
    return false;
  }
  bool add(Json value) {
    if (depth_ == 0) return refuse("it is neither an object nor a list");
    return open_.empty() || place(std::move(value)) != nullptr;
  }
  bool begin(Json container) {
    if (depth_ == kDeepest) return refuse("it is nested too deeply");
    ++depth_;
    if (open_.empty()) return true;
    open_.push_back(place(std::move(container)));
    return open_.back() != nullptr;
  }
  void end() {
    --depth_;
    if (!open_.empty()) open_.pop_back();
  }
  /// Puts a value into the container that was opened last. Returns null if the item has too many.
  Json* place(Json value) {
    if (++values_ > most_values_) {
      refuse("one of its entries is too large");
      return nullptr;
    }
    auto& container = *open_.back();
    if (container.is_array()) return &container.emplace_back(std::move(value));
    return &(container[key_] = std::move(value));
  }

  const int item_depth_;
  const std::size_t most_values_;
  const OnItem& on_item_;
  int depth_ = 0;            ///< The number of open containers.
  Json item_;                ///< The item that is being read, or null.
  std::vector<Json*> open_;  ///< Its open containers.
  std::string list_, key_, fault_;
  std::size_t index_ = 0, values_ = 0;
};

}  // namespace

Result<void> for_each_item(std::string_view text, const std::string& file, int depth, std::size_t most_values,
                           const OnItem& on_item) {
  ItemReader reader(depth, most_values, on_item);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) return broken(file, reader.fault());
  return {};
}

Result<Json> parse_one_item(std::string_view text, const std::string& file, std::size_t most_values) {
  Json out;
  if (auto ok = for_each_item(text, file, 0, most_values, [&](auto&, auto, Json& item) { out = std::move(item); }); !ok)
    return ok.error();
  return out;
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
