#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vedette {

/// Holds what an evaluation says about one picture.
struct EvaluatedPicture {
  bool is_anomalous = false;         ///< what the label says
  bool called_anomalous = false;     ///< what the verdict says
  std::optional<double> confidence;  ///< the confidence of the verdict, if the evaluation has it
};

/// Reads an evaluation manifest (documented by the original service: one JSON line per test picture) and returns its
/// pictures by source-ref. Lines that say neither truth nor verdict are left out.
std::map<std::string, EvaluatedPicture> read_evaluation(const std::string& json_lines);

struct ComparedPicture {
  std::string name;
  const EvaluatedPicture* before;  ///< Null if the picture was not tested then.
  const EvaluatedPicture* after;   ///< Null if the picture was not tested now.
};

/// The figures that the old service reported for its own test pictures.
struct ReportedFigures {
  double precision = 0, recall = 0, f1 = 0;
  int test_images = 0;
};
/// Reads an EvaluationResult file. Returns nothing if the text is not one.
std::optional<ReportedFigures> read_evaluation_result(const std::string& json);

/// What a training tells whoever reads the comparison.
struct TrainingNotes {
  std::vector<std::string> warnings;
  std::vector<std::string> suspects;  ///< names of pictures whose labels look wrong
  std::vector<std::string> skipped;   ///< "name: reason" of pictures that could not be used
};

/// Prints the pictures one by one, beginning with those whose verdict changed. Then prints precision, recall and F1 of
/// both evaluations on the pictures that both tested, and the figures that the old service reported itself. A figure
/// that these pictures do not define is printed as a dash, or as null in JSON. The notes go to standard error; with
/// `json`, which prints a line per picture and then a summary line, they are in the summary.
void print_comparison(const std::vector<ComparedPicture>& pictures, const std::optional<ReportedFigures>& reported,
                      const TrainingNotes& notes, bool json);

}  // namespace vedette
