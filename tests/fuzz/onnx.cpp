#include "vision/onnx/onnx.hpp"
#include "vision/infer/graph.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto backbone = vedette::read_onnx_backbone({reinterpret_cast<const char*>(data), size});
  // What is read must be planned, or refused with a message.
  if (backbone)
    (void)vedette::Graph::plan(backbone->nodes, backbone->tensors, {backbone->maps.begin(), backbone->maps.end()}, 64,
                               64)
        .has_value();
  return 0;
}
