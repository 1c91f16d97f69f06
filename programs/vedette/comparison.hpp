#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vedette {

/// What an evaluation says of one picture.
struct EvaluatedPicture {
  bool is_anomalous = false;      ///< What the label says.
  bool called_anomalous = false;  ///< What the verdict says.
  double confidence = 0;          ///< The confidence of the verdict, 0 … 1.
};

/// Reads an evaluation manifest (documented by the original service: one JSON line per test picture) and returns its
/// pictures by source-ref. Lines that say neither truth nor verdict are left out.
std::map<std::string, EvaluatedPicture> read_evaluation(const std::string& json_lines);

struct ComparedPicture {
  std::string name;
  const EvaluatedPicture* before;  ///< Null if the picture was not tested then.
  const EvaluatedPicture* after;   ///< Null if the picture was not tested now.
};

/// The figures that an evaluation result gives for its own test pictures.
struct ReportedFigures {
  double precision = 0, recall = 0, f1 = 0;
  int test_images = 0;
};
/// Reads an EvaluationResult file. Returns nothing if the text is not one.
std::optional<ReportedFigures> read_evaluation_result(const std::string& json);

/// Prints each picture, first those whose verdict changed, then precision, recall and F1 of both evaluations on the
/// pictures that both tested, and what the old service reported itself. With `json` it prints a line per picture and
/// then a summary line.
void print_comparison(const std::vector<ComparedPicture>& pictures, const std::optional<ReportedFigures>& reported,
                      bool json);

}  // namespace vedette
