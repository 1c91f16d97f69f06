#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "commands.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"

namespace vedette {
namespace {

struct MigrateOptions {
  std::string metadata;
  bool is_plan = false, is_only_compatible = false;
};

/// What PostgreSQL locks for a statement of a step: all of a table's readers and writers, its writers, or nobody.
std::string lock_of(const std::string& statement) {
  if (statement.starts_with("ALTER TABLE") || statement.starts_with("DROP")) return "reads and writes wait";
  if (statement.starts_with("CREATE INDEX CONCURRENTLY") || statement.starts_with("CREATE UNIQUE INDEX CONCURRENTLY") ||
      statement.starts_with("CREATE TABLE"))
    return "nobody waits";
  if (statement.starts_with("CREATE INDEX") || statement.starts_with("CREATE UNIQUE INDEX")) return "writes wait";
  if (statement.starts_with("UPDATE") || statement.starts_with("DELETE") || statement.starts_with("INSERT"))
    return "writes to the same rows wait";
  return "reads and writes may wait";
}

void print(const metadata::SchemaStep& step, int version, const TableRows& rows) {
  std::printf("step %d, %s\n", step.version, step.name);
  std::printf("  nodes that run now: %s\n", version == 0                 ? "none, as the database is new"
                                            : step.min_writer <= version ? "go on reading and writing"
                                            : step.min_reader <= version ? "can only read from then on; stop them first"
                                                                         : "do not work with it; stop them first");
  std::printf("  transaction: %s\n",
              step.is_in_transaction ? "one, undone as a whole if it fails" : "none; it may be repeated");
  for (const auto& statement : metadata::statements_of(step.sql)) {
    std::string line;
    for (const char c : statement)
      if (c != '\n' && (c != ' ' || (!line.empty() && line.back() != ' ')))
        line += c;
      else if (c == '\n' && !line.empty() && line.back() != ' ')
        line += ' ';
    std::string about;
    for (const auto& [table, count] : rows)
      if ((" " + line + " ").find(" " + table + " ") != std::string::npos)
        about += ", about " + std::to_string(count) + " rows in " + table;
    std::printf("  %s\n    %s%s\n", line.c_str(), lock_of(line).c_str(), about.c_str());
  }
}

void migrate(const MigrateOptions& options) {
  const auto plan = plan_postgresql_migration(options.metadata);
  if (plan.steps.empty()) {
    std::printf("The schema of %s is up to date: version %d.\n", shown_address(options.metadata).c_str(), plan.version);
    return;
  }
  if (options.is_plan) {
    for (const auto& step : plan.steps) print(step, plan.version, plan.rows);
    std::printf("Locks are waited for at most two seconds at a time, so that nobody queues behind a step.\n");
    return;
  }
  if (options.is_only_compatible && plan.version != 0)
    for (const auto& step : plan.steps)
      if (step.min_writer > plan.version)
        throw std::runtime_error("step " + std::to_string(step.version) + ", " + step.name +
                                 ", does not suit nodes of the release before. Stop all nodes, and run vedette migrate "
                                 "without --only-compatible");
  migrate_postgresql(options.metadata, metadata::schema_steps(sql::Dialect::postgresql));
  for (const auto& step : plan.steps) std::printf("step %d, %s: done\n", step.version, step.name);
}

}  // namespace

void add_migrate(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("migrate", "Bring the schema of a PostgreSQL database up to date");
  auto options = std::make_shared<MigrateOptions>();
  command->add_option("--metadata", options->metadata, "postgresql://USER@HOST/DATABASE")
      ->required()
      ->envname("VEDETTE_METADATA");
  command->add_flag("--plan", options->is_plan, "Only show the steps, their statements, and who waits for them");
  command->add_flag("--only-compatible", options->is_only_compatible,
                    "Take the steps only if nodes of the release before can go on meanwhile");
  command->callback([options, &status] {
    migrate(*options);
    status = 0;
  });
}

}  // namespace vedette
