#pragma once

#include <functional>
#include <vector>

#include "doctor/doctor.hpp"
#include "domain/server_node.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette::doctor {

/// Judges the ages of access keys, and whether the master key in the file opens them.
void judge_keys(const std::vector<AccessKey>& keys, const std::filesystem::path& master_key_file, Timestamp now,
                const Report& report);

/// Asks the server at a URL how it is; returns the status of its answer.
using Ask = std::function<Result<int>(const std::string& url)>;
/// Judges the nodes that live: whether this machine reaches them, and whether they keep objects in the same place, which is
/// `objects`.
void judge_nodes(const std::vector<ServerNode>& nodes, Timestamp now, const std::string& objects, const Ask& ask,
                 const Report& report);

/// Looks at the keys and nodes in the metadata that the settings name.
void check_company(const ServerSettings& settings, const Report& report);

}  // namespace vedette::doctor
