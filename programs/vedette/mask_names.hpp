#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vedette {

/// Returns file names for the masks of pictures, in the order of the pictures. No name occurs twice, not even on file
/// systems that ignore upper and lower case. `000.png` gets `000-mask.png`. Pictures that would share a name get names
/// with their extension (`000.jpg-mask.png`), otherwise with the folders below the one that they have in common
/// (`left-000-mask.png`), otherwise with a number. A picture that is named twice has one mask.
std::vector<std::string> mask_names(const std::vector<std::filesystem::path>& pictures);

/// Throws std::runtime_error, naming the file, if one of the `outputs` is the same file as one of the `inputs`, under
/// whatever name or link.
void refuse_to_overwrite(const std::vector<std::filesystem::path>& inputs,
                         const std::vector<std::filesystem::path>& outputs);

}  // namespace vedette
