#pragma once

#include <string_view>

#include "vision/backbone/backbone.hpp"

/// Backbones from ONNX files (onnx.ai; operators as of opset 7 and later, inference form). What the ResNet, MobileNet,
/// EfficientNet, VGG, DenseNet and SqueezeNet families are made of can be read. The functions are pure; any thread may
/// call them.
namespace vedette {

/// Wider maps are projected at random to this many channels: distances stay nearly as they are (Johnson & Lindenstrauss
/// 1984).
inline constexpr std::int64_t kMostMapChannels = 192;

/// Reads a network whose first input is a picture [N, 3, H, W]. The network is fed light-normalised pictures; they have
/// mean 0 and deviation 1, as the pictures have on which such networks are trained. The maps at strides 4, 8 and 16 are
/// the outputs of the network of that stride, if it has outputs of all three; otherwise the last residual sum with its
/// activation; otherwise the last activation or concatenation. What the maps do not need, such as a head for
/// classification, is left out, whatever it is made of.
///
/// Operators: Add, AveragePool, BatchNormalization, Clip, Concat (channels), Constant, Conv, Div and Sub (constants),
/// Dropout, GlobalAveragePool, HardSigmoid, HardSwish, Identity, LeakyRelu, MaxPool, Mul, Pad (zeros, before a Conv or
/// AveragePool), ReduceMean (H, W), Relu, Sigmoid.
/// Fails with invalid_input if the bytes are no ONNX network, hold no tensors of their own, or a map needs another
/// operator; the message names it.
Result<Backbone> read_onnx_backbone(std::string_view bytes);

/// The most bytes that an ONNX file may have.
inline constexpr std::uint64_t kOnnxFileLimit = 512ULL << 20;

}  // namespace vedette
