// This program judges one picture by a model and writes the mask. It shows how a program of your own can do that
// without a server. docs/tools.md explains it.
#include <fstream>
#include <iostream>
#include <iterator>

#include "vision/verdict/verdict.hpp"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: verdict MODEL_DIR PICTURE MASK.png\n";
    return 2;
  }
  const auto engine = vedette::Engine::load(argv[1]);
  if (!engine) {
    std::cerr << engine.error().message << '\n';
    return 1;
  }
  std::ifstream file(argv[2], std::ios::binary);
  const vedette::Bytes picture(std::istreambuf_iterator<char>(file), {});
  const auto verdict = vedette::judge(**engine, picture);
  if (!verdict) {
    std::cerr << argv[2] << ": " << verdict.error().message << '\n';
    return 1;
  }
  std::cout << (verdict->is_anomalous ? "anomaly" : "normal") << ' ' << verdict->confidence << ' ' << verdict->reason
            << '\n';
  for (const auto& area : verdict->areas)
    std::cout << area.name << ' ' << area.color << ' ' << 100 * area.fraction << " %\n";
  std::ofstream(argv[3], std::ios::binary)
      .write(reinterpret_cast<const char*>(verdict->mask_png.data()),
             static_cast<std::streamsize>(verdict->mask_png.size()));
  return 0;
}
