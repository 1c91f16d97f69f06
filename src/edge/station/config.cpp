#include "edge/station/config.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace vedette {
namespace {

using Json = nlohmann::json;

/// Reads the members of one object; the first fault stays.
class Members {
 public:
  Members(const Json& object, std::string path, std::optional<Error>& fault)
      : object_(object), path_(std::move(path)), fault_(fault) {
    if (!object_.is_object()) complain("", "must be an object");
  }
  /// Every member that nobody asked for is a fault.
  ~Members() {
    if (!object_.is_object()) return;
    for (const auto& [name, value] : object_.items())
      if (!known_.contains(name)) complain(name, "is unknown");
  }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  const Json* find(const char* name) {
    known_.insert(name);
    if (!object_.is_object()) return nullptr;
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }
  void text(const char* name, std::string& out) {
    const auto* value = find(name);
    if (!value) return;
    if (!value->is_string()) return complain(name, "must be a text");
    out = value->get<std::string>();
  }
  void number(const char* name, std::uint64_t least, std::uint64_t most, std::uint64_t& out) {
    const auto* value = find(name);
    if (!value) return;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < least || value->get<std::uint64_t>() > most)
      return complain(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    out = value->get<std::uint64_t>();
  }
  /// Calls `take` with each object of a list.
  template <typename Take>
  void objects(const char* name, Take take) {
    const auto* value = find(name);
    if (!value) return;
    if (!value->is_array()) return complain(name, "must be a list");
    for (std::size_t i = 0; i < value->size(); ++i) {
      const auto place = std::string(name) + "[" + std::to_string(i) + "]";
      if (!(*value)[i].is_object()) return complain(place, "must be an object");
      take((*value)[i], path_ + place);
    }
  }
  void complain(const std::string& name, const std::string& what) {
    auto place = path_ + name;
    if (place.ends_with('.')) place.pop_back();
    if (!fault_)
      fault_ = invalid_input((place.empty() ? "The configuration" : "The member " + place) + " " + what + ".");
  }

 private:
  const Json& object_;
  const std::string path_;
  std::optional<Error>& fault_;
  std::set<std::string> known_;
};

void read_journal(Members& members, std::optional<Error>& fault, StationConfig& out) {
  const auto* value = members.find("journal");
  if (!value) return;
  Members journal(*value, "journal.", fault);
  std::string folder;
  journal.text("folder", folder);
  if (!folder.empty() && !std::filesystem::path(folder).is_absolute())
    journal.complain("folder", "must be an absolute path");
  out.journal_folder = folder;
  constexpr std::uint64_t least = std::uint64_t{64} << 20, most = std::uint64_t{1} << 50;
  journal.number("bytes", least, most, out.journal.bytes);
  std::uint64_t days = 30;
  journal.number("days", 0, 36'500, days);
  out.journal.age = std::chrono::hours(24 * days);
  out.journal.picture_bytes = std::min(out.journal.picture_bytes, out.journal.bytes / 2);
  const auto* pictures = journal.find("pictures");
  if (!pictures) return;
  Members kept(*pictures, "journal.pictures.", fault);
  std::string keep = "none";
  kept.text("keep", keep);
  if (keep == "anomalies") {
    out.station.keep = KeepPictures::anomalies;
  } else if (keep == "all") {
    out.station.keep = KeepPictures::all;
  } else if (keep != "none") {
    kept.complain("keep", "must be none, anomalies or all");
  }
  kept.number("bytes", 0, out.journal.bytes, out.journal.picture_bytes);
}

}  // namespace

std::filesystem::path journal_folder(const StationConfig& config, const std::filesystem::path& state) {
  return config.journal_folder.empty() ? state / "journal" : config.journal_folder;
}

Result<StationConfig> parse_station_config(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false, true);
  if (json.is_discarded()) return invalid_input("The configuration is no JSON.");
  StationConfig out;
  std::optional<Error> fault;
  {
    Members members(json, "", fault);
    members.text("station", out.station.name);
    if (!is_station_name(out.station.name))
      members.complain("station",
                       "must have 1 to 64 characters of a-z A-Z 0-9 - _ . and begin with a letter or a digit");
    if (const auto* models = members.find("models")) {
      Members model_members(*models, "models.", fault);
      if (const auto* start = model_members.find("start")) {
        const bool are_texts =
            start->is_array() && std::all_of(start->begin(), start->end(), [](const auto& n) { return n.is_string(); });
        if (are_texts)
          out.start = start->get<std::vector<std::string>>();
        else
          model_members.complain("start", "must be a list of names of components");
      }
    }
    read_journal(members, fault, out);
    const auto copy_to = [](std::vector<std::string>& texts) {
      return [&texts](const Json& object, const std::string&) { texts.push_back(object.dump()); };
    };
    members.objects("sinks", copy_to(out.sinks));
    members.objects("outputs", copy_to(out.outputs));
    members.objects("triggers", copy_to(out.triggers));
    members.objects("sources", [&](const Json& object, const std::string& path) {
      const auto model = object.find("model");
      if (model == object.end() || !model->is_string())
        return members.complain(path + ".model", "must be the name of a component");
      auto rest = object;
      rest.erase("model");
      out.sources.push_back({model->get<std::string>(), rest.dump()});
    });
  }
  if (fault) return *fault;
  return out;
}

}  // namespace vedette
