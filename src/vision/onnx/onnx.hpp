#pragma once

#include <string_view>

#include "vision/backbone/backbone.hpp"

/// Backbones from ONNX files (onnx.ai; operators as of opset 7 and later, inference form): what the ResNet, MobileNet, EfficientNet, VGG,
/// DenseNet and SqueezeNet families are made of. Pure; any thread.
namespace vedette {

/// Wider maps are projected to this many channels at random: distances stay as they are, nearly (Johnson & Lindenstrauss 1984).
inline constexpr std::int64_t kMostMapChannels = 192;

/// Reads a network whose first input is a picture [N, 3, H, W]. It is fed light-normalised pictures, which have mean 0 and deviation 1 as those
/// do that such networks are trained on. The maps are, at strides 4, 8 and 16: outputs of the network of that stride if it has such of all
/// three; else the last residual sum with its activation; else the last activation or concatenation. What they do not need, a head for
/// classification, is left out, whatever it is made of.
///
/// Operators: Add, AveragePool, BatchNormalization, Clip, Concat (channels), Constant, Conv, Div and Sub (constants), Dropout, GlobalAveragePool,
/// HardSigmoid, HardSwish, Identity, LeakyRelu, MaxPool, Mul, Pad (zeros, before a Conv or AveragePool), ReduceMean (H, W), Relu, Sigmoid.
/// Fails with invalid_input if the bytes are no ONNX network, hold no tensors of their own, or a map needs something else; the message
/// names it.
Result<Backbone> read_onnx_backbone(std::string_view bytes);

/// Of the file.
inline constexpr std::uint64_t kOnnxFileLimit = 512ULL << 20;

}  // namespace vedette
