#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "annotations/annotations.hpp"

namespace vedette {

/// Files in memory, for tests.
class MemoryFiles : public AnnotationFiles {
 public:
  void put(const std::string& name, std::string content) {
    if (!files_.contains(name)) names_.insert(std::lower_bound(names_.begin(), names_.end(), name), name);
    files_[name] = std::move(content);
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }
  [[nodiscard]] Result<Bytes> read(const std::string& name, std::uint64_t limit) const override {
    const auto& content = files_.at(name);
    if (content.size() > limit) return fail(ErrorKind::too_large, name + " is too large");
    return Bytes(content.begin(), content.end());
  }
  [[nodiscard]] Result<Bytes> read_beginning(const std::string& name, std::size_t most) const override {
    const auto& content = files_.at(name);
    return Bytes(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(std::min(most, content.size())));
  }

 private:
  std::map<std::string, std::string> files_;
  std::vector<std::string> names_;
};

}  // namespace vedette
