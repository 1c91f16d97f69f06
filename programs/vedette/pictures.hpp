#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "training/training.hpp"

/// Reads labelled pictures as the local tools take them from the command line.
namespace vedette {

struct PictureOptions {
  std::string manifest, images_root, normal, anomaly, masks;
};
/// Adds --manifest, --images-root, --normal, --anomaly and --masks.
void add_picture_options(CLI::App& command, PictureOptions& options);

/// Reads the manifest, or lists the folders. Throws std::runtime_error that names the file and line at fault.
std::vector<TrainingPicture> read_pictures(const PictureOptions& options);
std::vector<TrainingPicture> read_manifest_pictures(const std::string& manifest, const std::string& images_root);

/// Returns the pictures below a folder (base/file_tree), sorted. Reports on standard error what is left out: files that
/// are not pictures, counted by extension, links that lead nowhere, and folders that cannot be read.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

/// Prints an evaluation as a table for people, to standard output.
void print_evaluation(const Evaluation& evaluation);

}  // namespace vedette
