#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "lessons.hpp"

namespace vedette::bench {
namespace {

using nlohmann::json;

/// What the runs of one product and kind say; a figure that no run has is empty.
struct Cell {
  std::vector<double> auroc, gap, best_f1, f1, recall, false_alarms;
};

std::optional<double> mean(const std::vector<double>& values) {
  if (values.empty()) return {};
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  const double centre = *mean(values);
  double square = 0;
  for (const double v : values) square += (v - centre) * (v - centre);
  return std::sqrt(square / static_cast<double>(values.size()));
}

/// Returns "–" for a figure that is not defined.
std::string text(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : "–";
}

}  // namespace

std::string table(const std::vector<json>& runs) {
  std::vector<std::string> products;
  std::map<std::string, std::map<std::string, Cell>> cells;  // by kind and product
  for (const auto& r : runs) {
    const std::string product = r.at("product"), kind = r.at("kind");
    if (std::find(products.begin(), products.end(), product) == products.end()) products.push_back(product);
    auto& cell = cells[kind][product];
    const auto add = [&](std::vector<double>& to, const char* name) {
      if (r.contains(name) && r[name].is_number()) to.push_back(r[name]);
    };
    add(cell.auroc, "auroc");
    add(cell.best_f1, "best_f1");
    add(cell.f1, "f1");
    add(cell.recall, "recall");
    add(cell.false_alarms, "false_alarms");
    if (r.at("auroc").is_number() && r.at("oof_auroc").is_number())
      cell.gap.push_back(std::abs(r["auroc"].get<double>() - r["oof_auroc"].get<double>()));
  }
  std::vector<std::string> kinds;
  for (const auto& kind : kKinds)
    if (cells.contains(kind)) kinds.push_back(kind);

  std::string out = "| product |", rule = "|---|";
  for (const auto& kind : kinds) out += " " + kind + " |", rule += "---|";
  out += "\n" + rule + "\n";
  const auto row = [&](const std::string& name, const auto& text_of) {
    out += "| " + name + " |";
    for (const auto& kind : kinds) out += " " + text_of(cells[kind]) + " |";
    out += "\n";
  };
  for (const auto& product : products)
    row(product, [&](const auto& column) -> std::string {
      const auto cell = column.find(product);
      if (cell == column.end() || cell->second.auroc.empty()) return "";
      return text(mean(cell->second.auroc)) + fmt::format(" ± {:.3f}", deviation(cell->second.auroc));
    });
  // The means over products: each counts once, however many seeds it had.
  const auto means = [](const auto& column, std::vector<double> Cell::*figure) {
    std::vector<std::pair<double, std::string>> all;
    for (const auto& [product, cell] : column)
      if (const auto m = mean(cell.*figure)) all.emplace_back(*m, product);
    return all;
  };
  const auto mean_row = [&](const std::string& name, std::vector<double> Cell::*figure) {
    row(name, [&](const auto& column) {
      std::vector<double> values;
      for (const auto& m : means(column, figure)) values.push_back(m.first);
      return text(mean(values));
    });
  };
  const auto extreme_row = [&](const std::string& name, std::vector<double> Cell::*figure, bool is_largest) {
    row(name, [&](const auto& column) -> std::string {
      const auto all = means(column, figure);
      if (all.empty()) return "–";
      const auto& one =
          is_largest ? *std::max_element(all.begin(), all.end()) : *std::min_element(all.begin(), all.end());
      return text(one.first) + " " + one.second;
    });
  };
  mean_row("**mean**", &Cell::auroc);
  extreme_row("**worst**", &Cell::auroc, false);
  mean_row("abs(out of fold − test), mean", &Cell::gap);
  extreme_row("abs(out of fold − test), worst", &Cell::gap, true);
  mean_row("best F1, mean", &Cell::best_f1);
  mean_row("F1 at the own threshold, mean", &Cell::f1);
  mean_row("recall, mean", &Cell::recall);
  mean_row("false alarms, mean", &Cell::false_alarms);
  return out;
}

}  // namespace vedette::bench
