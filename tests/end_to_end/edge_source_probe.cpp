// Runs the sources of a configuration for the end-to-end tests and prints what they give, one JSON object per line.
//   edge_source_probe CONFIGURATION DATA_FOLDER
// Standard input takes the commands `trigger SOURCE ID` and `state SOURCE`; its end ends the program. A picture is told
// with the SHA-256 of its RGB pixels, in which samples of up to 12 bits become 8, or of its file.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/mutex.hpp"
#include "edge/sources/camera_doctor.hpp"
#include "edge/sources/source.hpp"
#include "edge/sources/triggers.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
constexpr int kSampleBits = 12;

void print(const Json& line) {
  static Mutex mutex;
  const MutexLock lock(mutex);
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

Result<void> print_picture(const SourcePicture& picture, const std::string& folder) {
  static std::atomic<int> count = 0;
  Json line = {{"source", picture.source},
               {"trigger", picture.trigger_id},
               {"triggered_at", picture.triggered_at},
               {"pictured_at", picture.pictured_at}};
  if (const auto* const frame = std::get_if<Frame>(&picture.content)) {
    const auto image = to_rgb(*frame, kSampleBits);
    if (!image) {
      line["error"] = image.error().message;
    } else {
      line["format"] = to_text(frame->format);
      line["width"] = image->width;
      line["height"] = image->height;
      line["sha256"] = to_hex(sha256(image->pixels));
      const auto file = folder + "/" + std::to_string(++count) + ".rgb";
      std::ofstream(file, std::ios::binary) << as_text(image->pixels);
      line["file"] = file;
    }
  } else if (const auto* const bytes = std::get_if<Bytes>(&picture.content)) {
    line["bytes"] = bytes->size();
    line["sha256"] = to_hex(sha256(*bytes));
  } else {
    line["no_picture"] = std::get<NoPicture>(picture.content).reason;
  }
  print(line);
  return {};
}

Json state_line(const std::string& name, const SourceState& state) {
  return {{"source", name},
          {"state", to_text(state.condition)},
          {"reason", state.reason},
          {"pictures", state.pictures},
          {"no_pictures", state.no_pictures},
          {"incomplete", state.incomplete},
          {"unused", state.unused},
          {"ignored", state.ignored},
          {"restarts", state.restarts}};
}

int run(const char* configuration, const std::string& folder) {
  std::ifstream file(configuration);
  const auto settings = Json::parse(file, nullptr, false);
  std::map<std::string, std::unique_ptr<Source>> sources;
  for (const auto& one : settings.value("sources", Json::array())) {
    auto source = make_source(one, {find_camera_program(), folder});
    if (!source) {
      std::cerr << source.error().message << "\n";
      return 2;
    }
    const std::string name = (*source)->name();
    sources[name] = std::move(*source);
  }
  const TriggerCallback on_trigger = [&](const std::string& name, const Result<std::string>& id) -> Result<void> {
    const auto source = sources.find(name);
    if (source == sources.end()) return fail(ErrorKind::not_found, "There is no such source.");
    return id ? source->second->trigger(*id) : Result<void>(id.error());
  };
  std::vector<std::unique_ptr<Trigger>> triggers;
  for (const auto& one : settings.value("triggers", Json::array())) {
    auto trigger = make_trigger(one, on_trigger);
    if (!trigger) {
      std::cerr << trigger.error().message << "\n";
      return 2;
    }
    triggers.push_back(std::move(*trigger));
  }
  for (auto& [name, source] : sources)
    (void)source->start([&](const SourcePicture& picture) { return print_picture(picture, folder); },
                        [](const std::string& who, const SourceState& state) { print(state_line(who, state)); });
  std::string command, name, id;
  while (std::cin >> command >> name) {
    if (command == "state") {
      const auto source = sources.find(name);
      print(source == sources.end() ? Json{{"refused", "There is no such source."}}
                                    : Json{{"counters", state_line(name, source->second->state())}});
      continue;
    }
    std::cin >> id;
    if (auto ok = command == "send" ? send_trigger(folder + "/trigger.sock", name, id) : on_trigger(name, id); !ok)
      print({{"refused", ok.error().message}});
  }
  return 0;
}

}  // namespace
}  // namespace vedette

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "doctor") {
    for (const auto& f : vedette::check_cameras(vedette::CameraSurroundings::of_this_process()))
      std::cout << static_cast<int>(f.level) << " " << f.subject << ": " << f.finding << " " << f.remedy << "\n";
    return 0;
  }
  if (count != 3) return 2;
  return vedette::run(arguments[1], arguments[2]);
}
