#pragma once

#include <filesystem>

#include "jobs/jobs.hpp"
#include "service/image_quotas.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"
#include "training/training.hpp"

/// What the background jobs do, each with the rights of the user who asked, as they are when the job runs.
namespace vedette {

/// Reads a manifest from its bucket into a dataset: every line checked, every object looked up; CREATE_COMPLETE with all
/// entries, or CREATE_FAILED with line number and reason.
JobWorker::Handler make_import_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                       const ImageQuotas& quotas);

/// Applies the changes of UpdateDatasetEntries, all or none: UPDATE_COMPLETE, or UPDATE_FAILED_ROLLBACK_COMPLETE with
/// line number and reason.
JobWorker::Handler make_update_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                       const ImageQuotas& quotas);

/// Trains a model: freezes the datasets into a job folder below `jobs_folder`, runs `trainer` there, stores artifact
/// and evaluation files; TRAINED, or TRAINING_FAILED with a sentence for the user. Waits for imports that still run.
/// The trainer is confined as `sandbox` says, since it decodes pictures of strangers; not at all if that is empty.
JobWorker::Handler make_training_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                         const ImageQuotas& quotas, std::filesystem::path jobs_folder,
                                         std::filesystem::path trainer, TrainingPlan plan,
                                         std::optional<TrainerSandbox> sandbox);

/// Writes a model's archive to the bucket that was asked for: SUCCEEDED, or FAILED with a sentence for the user.
JobWorker::Handler make_packaging_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                          std::filesystem::path jobs_folder);

}  // namespace vedette
