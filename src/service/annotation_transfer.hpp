#pragma once

#include <atomic>
#include <chrono>

#include "annotations/annotations.hpp"
#include "api/vedette/messages.hpp"
#include "service/service.hpp"

namespace vedette {

/// Takes over what other labelling tools exported, and writes what they read: the operations ConvertAnnotations and
/// ExportCocoAnnotations of the service `vedette`. Both read and write with the rights of the caller, and run within the
/// call. At most one of them runs at a time, because each may take a core and, with what kLimits allows, several hundred
/// megabytes; others are `throttled`. Thread-safe; blocks on the object store.
class AnnotationTransfer {
 public:
  static constexpr std::size_t kMostFiles = 20'000;           ///< The most objects of a source.
  static constexpr std::uint64_t kLargestFile = 64ULL << 20;  ///< The most bytes of one file of a source.
  static constexpr std::uint64_t kMostBytes = 2ULL << 30;     ///< The most bytes that a conversion reads.
  /// What a conversion may take of the memory of the server, which judges pictures beside it: 16 MiB of a file that is
  /// read as a whole, 4 million values of a piece of JSON, 256 MiB of annotations, and sides of 8,192 pixels.
  static constexpr AnnotationLimits kLimits{
      .tree_bytes = 16ULL << 20, .json_values = 4'000'000, .kept_bytes = 256ULL << 20, .longest_side = 8192};
  static constexpr std::uint64_t kLargestCoco = 256ULL << 20;  ///< The most bytes of a COCO file.
  static constexpr std::chrono::minutes kLongestTime{5};       ///< The longest time of a call.

  AnnotationTransfer(MetadataStore& metadata, ObjectStore& objects, const Clock& clock)
      : metadata_(metadata), objects_(objects), clock_(clock) {}

  /// Makes masks and manifests below the output prefix of what lies below the prefix. The manifests are written last: if
  /// the call fails, there are none, but there may be masks. Fails with invalid_input if the source is of no known
  /// format, is too large, or holds no picture that can be used, with the file and the place in it where one is at fault;
  /// and with not_found if there is no such project.
  Result<extension::Conversion> convert(const CallContext& call, const extension::ConvertAnnotationsRequest& request);
  /// Writes the COCO file of a dataset. Pictures and masks that cannot be used are problems, and are left out.
  Result<extension::CocoExport> export_coco(const CallContext& call, const extension::ExportCocoRequest& request);

 private:
  /// Fails with not_found if there is no such project.
  Result<void> find_project(const Scope& scope, const std::string& name);

  MetadataStore& metadata_;
  ObjectStore& objects_;
  const Clock& clock_;
  std::atomic<bool> is_busy_ = false;
};

}  // namespace vedette
