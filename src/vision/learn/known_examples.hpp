#pragma once

#include <string>

#include "base/result.hpp"
#include "vision/infer/examples.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {

/// Describes a picture as an example: as the models of its own fold see it, which have not learnt from it. The model
/// must tell places.
Result<Example> own_fold_example(const Engine& engine, const RgbImage& image, std::int64_t fold,
                                 const std::string& source_ref, bool is_anomalous);

}  // namespace vedette
