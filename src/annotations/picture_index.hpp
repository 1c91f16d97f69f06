#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace vedette {

/// Finds the files that annotations mean among the names of a folder. Only these names can be found, so that an
/// annotation cannot name a file elsewhere. It is a value; any thread may look up.
class PictureIndex {
 public:
  /// `names` are relative, with '/' between folders. Those that are no pictures are left out, and so are the folders in
  /// which Pascal VOC keeps its label files.
  explicit PictureIndex(const std::vector<std::string>& names);

  /// Returns the name that is meant, in this order: `beside` + name; the name itself; the only picture whose whole name
  /// is the end of the name, or of whose name it is the end. Backslashes are slashes, and what stands before ".." does
  /// not count. Of URLs, the path counts, and of Label Studio's local files, the parameter d. Escapes (%20), and the
  /// eight digits that Label Studio puts before the names of uploads, are tried both ways. A name without a suffix
  /// means a picture of any. Fails with invalid_input if there is no such picture or more than one.
  [[nodiscard]] Result<std::string> find(const std::string& beside, const std::string& name) const;

 private:
  [[nodiscard]] std::vector<std::string> matches(const std::string& beside, std::string_view name) const;

  std::map<std::string, std::vector<std::string>, std::less<>> by_base_, by_stem_;
};

}  // namespace vedette
