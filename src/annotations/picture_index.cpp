#include "annotations/picture_index.hpp"

#include <algorithm>

#include "annotations/readers.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kUploadPrefix = 8;

std::string_view base_of(std::string_view name) {
  return name.substr(name.rfind('/') + 1);
}

/// Whether `tail` is the end of a path, by whole parts.
bool ends_with_path(std::string_view path, std::string_view tail) {
  return path.ends_with(tail) && (path.size() == tail.size() || path[path.size() - tail.size() - 1] == '/');
}

/// Returns a path without empty parts, "." and what stands before "..".
std::string normalised(std::string_view path) {
  std::string out;
  for (const auto part : split(path, '/')) {
    if (part == "..") out.clear();
    if (part.empty() || part == "." || part == "..") continue;
    out += (out.empty() ? "" : "/") + std::string(part);
  }
  return out;
}

/// Returns the texts that a name may stand for.
std::vector<std::string> variants(std::string name) {
  std::replace(name.begin(), name.end(), '\\', '/');
  std::vector<std::string> out = {name};
  if (const auto local = name.find("?d="); local != std::string::npos) {
    out.push_back(name.substr(local + 3));
  } else if (const auto query = name.find('?'); query != std::string::npos) {
    out.push_back(name.substr(0, query));
  }
  if (auto decoded = uri_decode(out.back()); decoded && *decoded != out.back()) out.push_back(*decoded);
  for (std::size_t i = 0, count = out.size(); i < count; ++i) {
    const auto base = std::string(base_of(out[i]));
    const bool is_upload = base.size() > kUploadPrefix + 1 && base[kUploadPrefix] == '-' &&
                           from_hex(std::string_view(base).substr(0, kUploadPrefix));
    if (is_upload) out.push_back(base.substr(kUploadPrefix + 1));
  }
  for (auto& text : out) text = normalised(text);
  return out;
}

}  // namespace

PictureIndex::PictureIndex(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (!is_picture_name(name) || ("/" + name).find("/SegmentationClass/") != std::string::npos ||
        ("/" + name).find("/SegmentationObject/") != std::string::npos)
      continue;
    by_base_[std::string(base_of(name))].push_back(name);
    by_stem_[std::string(without_suffix(base_of(name)))].push_back(name);
  }
}

std::vector<std::string> PictureIndex::matches(const std::string& beside, std::string_view name) const {
  const bool has_suffix = is_picture_name(name);
  const auto& index = has_suffix ? by_base_ : by_stem_;
  const auto found = index.find(base_of(name));
  if (found == index.end()) return {};
  const auto comparable = [&](const std::string& file) {
    return has_suffix ? std::string_view(file) : without_suffix(file);
  };
  const auto own = normalised(beside + std::string(name));
  for (const auto& wanted : {std::string_view(own), name})
    for (const auto& file : found->second)
      if (comparable(file) == wanted) return {file};
  std::vector<std::string> out;
  for (const auto& file : found->second)
    if (ends_with_path(comparable(file), name) || ends_with_path(name, comparable(file))) out.push_back(file);
  return out;
}

Result<std::string> PictureIndex::find(const std::string& beside, const std::string& name) const {
  for (const auto& variant : variants(name)) {
    auto found = matches(beside, variant);
    if (found.size() == 1) return std::move(found.front());
    if (found.size() > 1)
      return invalid_input("several pictures may be " + name + ": " + found[0] + " and " + found[1]);
  }
  return invalid_input("there is no picture " + name + " among the pictures");
}

}  // namespace vedette
