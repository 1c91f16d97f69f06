#include "edge/sinks/bounded_json.hpp"

#include <nlohmann/json.hpp>

namespace vedette::sinks {

std::string bounded_json(const VerdictRecord& record, std::size_t most) {
  auto text = to_json(record);
  if (text.size() <= most) return text;
  auto object = nlohmann::json::parse(text);
  object["shortened"] = true;
  object.erase("classes");
  object.erase("reason");
  if (text = object.dump(); text.size() <= most) return text;
  for (const auto* name : {"source", "trigger_id", "model", "model_version", "picture"}) object.erase(name);
  return object.dump();
}

}  // namespace vedette::sinks
