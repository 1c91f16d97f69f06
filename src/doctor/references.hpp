#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "doctor/doctor.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"

namespace vedette::doctor {

/// Looks for what the metadata name among the objects: reads the files of all trained models and compares their digests, and looks
/// for the pictures of all datasets in the listings of their buckets. `next_pictures` returns references (s3://BUCKET/KEY) after
/// the one given, in byte order, and none at the end.
using NextPictures = std::function<std::vector<std::string>(const std::string& after)>;
void check_references(MetadataStore& metadata, const NextPictures& next_pictures, ObjectStore& objects,
                      const Report& report);

}  // namespace vedette::doctor
