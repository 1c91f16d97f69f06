#include "annotations/folder_files.hpp"

#include <algorithm>
#include <fstream>

#include "base/file_tree.hpp"
#include "base/files.hpp"

namespace vedette {

FolderFiles::FolderFiles(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    root_ = path.parent_path();
    names_.push_back(path.filename().string());
    return;
  }
  root_ = path;
  for (const auto& file : list_files(path).files) {
    auto name = file.lexically_relative(path).generic_string();
    if (is_utf8(name)) {
      names_.push_back(std::move(name));
    } else {
      ++left_out_;
    }
  }
  std::sort(names_.begin(), names_.end());
}

Result<Bytes> FolderFiles::read(const std::string& name, std::uint64_t limit) const {
  return read_file(root_ / name, limit);
}

Result<Bytes> FolderFiles::read_beginning(const std::string& name, std::size_t most) const {
  std::ifstream in(root_ / name, std::ios::binary);
  Bytes bytes(most);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(most));
  if (!in.eof() && !in) return internal_error("cannot read " + name);
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

}  // namespace vedette
