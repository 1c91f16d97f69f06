#include "doctor/references.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/files.hpp"
#include "manifest/manifest.hpp"
#include "store/model_files/model_files.hpp"
#include "store/objects/ordered_listing.hpp"

namespace vedette::doctor {
namespace {

constexpr std::size_t kMostNamed = 5;
constexpr const char* kCure =
    ". Put the objects of the same time back: from their copy, or with the versions that their bucket keeps";

/// Counts what is missing, and names the first ones.
class Missing {
 public:
  void add(const std::string& name) {
    if (++count_ <= kMostNamed) named_ += (named_.empty() ? "" : ", ") + name;
  }
  void report(const char* check, const char* what, std::size_t all, const Report& report) const {
    if (count_ == 0)
      report({check, Level::ok, fmt::format("All {} {} are there.", all, what)});
    else
      report({check, Level::failed,
              fmt::format("{} of {} {} are missing or damaged: {}{}{}", count_, all, what, named_,
                          count_ > kMostNamed ? ", …" : "", kCure)});
  }

 private:
  std::size_t count_ = 0;
  std::string named_;
};

void check_models(MetadataStore& metadata, ObjectStore& objects, const Report& report) {
  const auto models = metadata.read([](UnitOfWork& view) {
    return view.models().list_in_states(
        {ModelStatus::trained, ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::stopping_hosting});
  });
  Missing missing;
  for (const auto& [scope, model] : models) {
    const TemporaryFolder folder;
    if (const auto whole = ModelFiles(objects).fetch(model.uid, folder.path() / "model"); !whole)
      missing.add(fmt::format("{} ({})", model_arn(scope, model.project, model.version), whole.error().message));
  }
  missing.report("models", "trained models", models.size(), report);
}

void check_pictures(const NextPictures& next_pictures, ObjectStore& objects, const Report& report) {
  Missing missing;
  std::size_t count = 0;
  std::string bucket;
  std::optional<OrderedListing> listing;
  for (auto references = next_pictures(""); !references.empty(); references = next_pictures(references.back()))
    for (const auto& reference : references) {
      ++count;
      const auto uri = parse_s3_uri(reference);
      if (!uri) {
        missing.add(reference);
        continue;
      }
      if (!listing || uri->bucket != bucket) {
        bucket = uri->bucket;
        listing.emplace(objects, bucket);
      }
      const auto found = listing->find(uri->key);
      if (!found || *found == nullptr) missing.add(reference + (found ? "" : " (" + found.error().message + ")"));
    }
  missing.report("pictures", "pictures of datasets", count, report);
}

}  // namespace

void check_references(MetadataStore& metadata, const NextPictures& next_pictures, ObjectStore& objects,
                      const Report& report) {
  check_models(metadata, objects, report);
  check_pictures(next_pictures, objects, report);
}

}  // namespace vedette::doctor
