#include "vision/learn/detectors/detector.hpp"

namespace vedette {

Detectors make_detectors() {
  Detectors out;
  out.of_good_pictures.push_back(make_memory_bank());
  out.of_good_pictures.push_back(make_position_subspace());
  out.of_good_pictures.push_back(make_edge_subspace());
  out.of_defects.push_back(make_decoders());
  out.of_defects.push_back(make_linear_probe());
  out.of_details.push_back(make_close_look());
  return out;
}

}  // namespace vedette
