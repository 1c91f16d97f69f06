#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// The result of all runs in one table.
namespace vedette::bench {

/// Returns a table in Markdown of the AUROC on test pictures, a row per product and a column per kind of training:
/// mean ± deviation over the seeds. Below it stand, for each kind, the mean and the worst row, how far the AUROC out of
/// fold lies from that of the test, and F1: the best that any threshold reaches, and that of the model's threshold.
/// `runs` are the results of run().
std::string table(const std::vector<nlohmann::json>& runs);

}  // namespace vedette::bench
