#pragma once

#include <filesystem>

#include "base/result.hpp"

/// Puts a model where a user wants it, without harm to whatever lies there.
namespace vedette {

/// Checks, before a model is made, whether it may be put at `wanted`. That may be a path that does not exist yet and
/// whose nearest existing parent can be written to, an empty folder, or a folder that holds a model, which is then
/// replaced. A link to a folder means that folder; a slash at the end and `.` mean what they mean to a shell. The check
/// leaves nothing behind. Returns the folder as an absolute path without links.
/// Fails with invalid_input, and names the path, if there is a file, a link that leads nowhere, a folder with other
/// content than a model, or nothing that can be written to.
Result<std::filesystem::path> check_model_place(const std::filesystem::path& wanted);

/// Copies the model in `model` (manifest.json, the blobs it names, and evaluation.json if it is there) into a folder
/// that check_model_place() returned. The folder itself stays, and so does everything in it that does not belong to the
/// model. An old model stays whole until the new manifest.json takes the old one's place in one step, whenever this is
/// cut off: blobs are named by their content, so that both models' blobs can lie side by side. Then the blobs are
/// removed that only the old model named.
/// Fails with invalid_input if `model` holds no model or `place` has become something else meanwhile, and with internal
/// if it cannot be written.
Result<void> place_model(const std::filesystem::path& model, const std::filesystem::path& place);

}  // namespace vedette
