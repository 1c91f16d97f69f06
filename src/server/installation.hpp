#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "domain/server_node.hpp"
#include "server/data_folder.hpp"
#include "server/settings.hpp"
#include "store/metadata/metadata.hpp"

/// What the nodes of one installation must have in common. A node that differs would read and write past the others, so
/// each function throws std::runtime_error with the cause and the cure instead of letting it start.
namespace vedette {

/// The value of ServerNode::objects for a node that keeps the objects in its data folder.
inline constexpr const char* kObjectsInFolder = "folder";
/// Returns the value of ServerNode::objects for these settings.
std::string objects_place(const ServerSettings& settings);

/// Returns the file of the master key: what the settings name, or the one in the data folder. Throws if the settings
/// name a file that is missing or that others than its owner and group may read.
std::filesystem::path master_key_file(const DataFolder& folder, const std::string& given);

/// Throws if the data folder has metadata of its own, which a server with metadata elsewhere would leave unused.
void check_folder_without_metadata(const DataFolder& folder);
/// Returns the account that the database belongs to, or nothing before the first node has said it.
std::optional<std::string> account_of(UnitOfWork& work);
/// Throws if the database belongs to another account. The first node says which one.
void check_account(MetadataStore& metadata, const std::string& account);
/// Throws if another node that lives keeps the objects elsewhere, or if one of the two keeps them in its data folder.
/// The node has joined before, so that of two nodes that start at the same time at least one sees the other.
void check_company(MetadataStore& metadata, const ServerNode& self);
/// Throws if another node lives: it would go on with the key that is given up.
void check_alone(MetadataStore& metadata, const ServerNode& self);

}  // namespace vedette
