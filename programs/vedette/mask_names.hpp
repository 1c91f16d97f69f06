#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vedette {

/// Returns file names for the masks of pictures, in the order of the pictures. No name is there twice (also where upper
/// and lower case are one). `000.png` gets `000-mask.png`. Pictures that would share a name are told apart by their
/// extension (`000.jpg-mask.png`), otherwise by the folders below the one that they have in common
/// (`left-000-mask.png`), otherwise by a number. A picture that is named twice has one mask.
std::vector<std::string> mask_names(const std::vector<std::filesystem::path>& pictures);

/// Throws std::runtime_error that names the file if one of the `outputs` is one of the `inputs`, under whatever name or
/// link.
void refuse_to_overwrite(const std::vector<std::filesystem::path>& inputs,
                         const std::vector<std::filesystem::path>& outputs);

}  // namespace vedette
