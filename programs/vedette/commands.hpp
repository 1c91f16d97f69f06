#pragma once

#include <CLI/CLI.hpp>

/// The commands of `vedette`. Each function adds its subcommand and options to the application. The command that runs
/// sets `status` to the exit status.
namespace vedette {

void add_serve(CLI::App& app, int& status);
void add_user(CLI::App& app, int& status);
void add_key(CLI::App& app, int& status);
void add_policy(CLI::App& app, int& status);
void add_client_model(CLI::App& app, int& status);
void add_import(CLI::App& app, int& status);
void add_sample(CLI::App& app, int& status);
void add_convert(CLI::App& app, int& status);
void add_train(CLI::App& app, int& status);
void add_rebase(CLI::App& app, int& status);
void add_evaluate(CLI::App& app, int& status);
void add_detect(CLI::App& app, int& status);
void add_report(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);
void add_backup(CLI::App& app, int& status);
void add_metadata(CLI::App& app, int& status);
void add_migrate(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_objects(CLI::App& app, int& status);

}  // namespace vedette
