#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "annotations/annotations.hpp"

namespace vedette {

/// The files of a folder (base/file_tree), or one file alone. Nothing outside of it can be named, whatever an annotation
/// says: names are compared with the list, and no path is built from them. Any thread may read.
class FolderFiles : public AnnotationFiles {
 public:
  /// Throws std::filesystem::filesystem_error if the path cannot be listed.
  explicit FolderFiles(const std::filesystem::path& path);
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }
  [[nodiscard]] Result<Bytes> read(const std::string& name, std::uint64_t limit) const override;
  [[nodiscard]] Result<Bytes> read_beginning(const std::string& name, std::size_t most) const override;
  /// The files whose names are not UTF-8, which no manifest can mean. They are left out.
  [[nodiscard]] std::size_t left_out() const { return left_out_; }

 private:
  std::filesystem::path root_;
  std::vector<std::string> names_;
  std::size_t left_out_ = 0;
};

}  // namespace vedette
