#pragma once

#include <memory>
#include <vector>

#include "vision/learn/workshop.hpp"

/// The members of the ensemble. To add one, write a class in a file of its own and name it in detectors.cpp; what serves
/// needs no change as long as the operations of the graph suffice (infer/graph.hpp). One more kind of distance also
/// counts in kDistanceMaps, which the decoders read, and has to say in learn/rebase how it moves to another batch.
namespace vedette {

/// Something that learns from the pictures of a training and then says of any picture how odd it is. It becomes a
/// contestant of the model, with one map per fold whose models have not seen the pictures of that fold. What it says
/// counts by its evidence (learn/fusion), so that a detector which knows nothing does no harm.
class Detector {
 public:
  Detector() = default;
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;
  virtual ~Detector() = default;

  /// Returns the name of its contestant.
  [[nodiscard]] virtual const char* name() const = 0;
  /// Returns whether a pool counts unless the pictures say otherwise.
  [[nodiscard]] virtual bool is_default(const Pool& pool, const InputSize& input) const = 0;
  /// Whether it learned from labels alone what anomalous pictures look like (Entrant).
  [[nodiscard]] virtual bool learned_from_labels() const { return false; }
  /// How much it counts beside detectors with a share of 1, unless the pictures say otherwise.
  [[nodiscard]] virtual double share() const { return 1; }
  /// Whether its maps say where something is odd. Otherwise it judges pictures as a whole, and its maps have one cell.
  [[nodiscard]] virtual bool says_where() const { return true; }

  /// Is shown the features of each good picture once, in order, before fit(); `normal` counts them. What it wants to
  /// remember it must copy. The folds of the pictures are not known yet.
  virtual void see(const Workshop& /*w*/, std::size_t /*normal*/, const PictureFeatures& /*features*/) {}
  /// Learns, appends its nodes to the graph and enters its contestant. It enters none if these pictures cannot teach it
  /// anything.
  virtual Result<void> fit(Workshop& w) = 0;
};

/// The detectors of a training, in the order in which they learn. A later one may read the maps of earlier ones.
struct Detectors {
  /// Those that learn what good pictures look like. Their maps are distances, which get levels (append_levels).
  std::vector<std::unique_ptr<Detector>> of_good_pictures;
  /// Those that learn from anomalous pictures. They learn when the distances have their levels.
  std::vector<std::unique_ptr<Detector>> of_defects;
  /// Those that look at more pixels than the working size has. They are shown the good pictures, too, but learn last,
  /// since their maps get no levels and no decoder reads them.
  std::vector<std::unique_ptr<Detector>> of_details;
};
Detectors make_detectors();

/// PatchCore's memory bank (Roth et al., CVPR 2022, arXiv:2106.08265): how far each cell is from the nearest cell of
/// good pictures, wherever that lies.
std::unique_ptr<Detector> make_memory_bank();
/// How far each cell is from what good pictures show at the same place (PositionSubspace).
std::unique_ptr<Detector> make_position_subspace();
/// How far the edges of each cell, their directions and scales, are from what good pictures show at the same place
/// (PositionSubspace on the graph's edge_energies). It needs no backbone, and it knows other things than one: how rough
/// a place is, which way its grain runs, and what colour it has beside its neighbourhood.
std::unique_ptr<Detector> make_edge_subspace();
/// Networks that draw what was marked with masks (vision/decoder).
std::unique_ptr<Detector> make_decoders();
/// A logistic model of the picture as a whole, which learns from labels alone (learn/linear_probe).
std::unique_ptr<Detector> make_linear_probe();
/// How odd small patches of pixels are, in pictures that are much larger than the working size (PatchMixture).
std::unique_ptr<Detector> make_close_look();

}  // namespace vedette
