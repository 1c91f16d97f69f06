#include <array>
#include <cstdio>
#include <memory>

#include "base/files.hpp"
#include "commands.hpp"
#include "vision/infer/graph.hpp"
#include "vision/onnx/onnx.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kNames = {"stride4", "stride8", "stride16"};

struct BackboneOptions {
  std::string network, picture, out;
};

/// Returns the maps that the network makes of a picture [3, H, W], without light-normalising it.
Result<std::map<std::string, Tensor>> describe(const Backbone& backbone, const Tensor& picture) {
  if (picture.shape.size() != 3 || picture.size(0) != 3) return invalid_input("\"picture\" is not [3, H, W]");
  std::vector<Node> nodes;
  const auto maps = backbone.append(nodes, "", "image");
  const auto height = static_cast<int>(picture.size(1)), width = static_cast<int>(picture.size(2));
  auto graph = Graph::plan(nodes, backbone.tensors, {maps.begin(), maps.end()}, height, width);
  if (!graph) return graph.error();
  graph->run({3, height, width, picture.copy()});
  std::map<std::string, Tensor> out;
  for (std::size_t m = 0; m < maps.size(); ++m)
    out[kNames[m]] = Tensor::make(graph->output(maps[m]).shape, graph->output(maps[m]).copy());
  return out;
}

Result<void> look_at(const BackboneOptions& options) {
  for (const auto* input : {&options.network, &options.picture})
    if (std::error_code code; !options.out.empty() && fs::equivalent(options.out, *input, code))
      return invalid_input(options.out + " is read here and would be overwritten; choose another name");
  // The output file may replace a file of maps, but nothing else.
  if (!options.out.empty() && fs::exists(fs::symlink_status(options.out))) {
    const auto there = read_file(options.out, kOnnxFileLimit);
    if (!there || !parse_safetensors(as_text(*there)))
      return invalid_input(options.out + " exists and is no safetensors file; choose another name");
  }
  const auto bytes = read_file(options.network, kOnnxFileLimit);
  if (!bytes) return bytes.error();
  const auto backbone = read_onnx_backbone(as_text(*bytes));
  if (!backbone) return backbone.error();
  std::size_t weights = 0;
  for (const auto& [name, tensor] : backbone->tensors) weights += tensor.count;
  std::printf("%zu operations, %.2f million weights\n", backbone->nodes.size(), static_cast<double>(weights) / 1e6);
  for (std::size_t m = 0; m < kNames.size(); ++m)
    std::printf("%s: %lld channels\n", kNames[m], static_cast<long long>(backbone->channels[m]));
  if (options.picture.empty()) return {};
  const auto file = read_file(options.picture, kOnnxFileLimit);
  if (!file) return file.error();
  const auto tensors = parse_safetensors(as_text(*file));
  if (!tensors) return tensors.error();
  const auto picture = tensors->find("picture");
  if (picture == tensors->end()) return invalid_input(options.picture + " holds no tensor \"picture\"");
  const auto maps = describe(*backbone, picture->second);
  if (!maps) return maps.error();
  return write_file_atomically(options.out, to_safetensors(*maps));
}

}  // namespace

CLI::App* add_backbone(CLI::App& app, int& status) {
  auto options = std::make_shared<BackboneOptions>();
  auto* command = app.add_subcommand("backbone",
                                     "Say which maps of an ONNX network would describe pictures; or compute them, to "
                                     "compare them with another engine's");
  command->add_option("network", options->network, "ONNX file")->required()->check(CLI::ExistingFile);
  auto* out = command->add_option("--out", options->out,
                                  "safetensors file for the maps \"stride4\", \"stride8\", \"stride16\"");
  command
      ->add_option("--picture", options->picture, "safetensors file with \"picture\" [3, H, W], sides multiples of 16")
      ->check(CLI::ExistingFile)
      ->needs(out);
  command->callback([options, &status] {
    const auto ok = look_at(*options);
    if (!ok) std::fprintf(stderr, "vedette-trainer: %s\n", ok.error().message.c_str());
    status = ok ? 0 : 1;
  });
  return command;
}

}  // namespace vedette
