#pragma once

#include <filesystem>

#include "jobs/jobs.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

/// Reads a manifest from its bucket into a dataset, with the rights of the user who asked: every line checked, every
/// object looked up; CREATE_COMPLETE with all entries, or CREATE_FAILED with line number and reason.
JobWorker::Handler make_import_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock);

/// Trains a model: freezes the datasets into a job folder below `jobs_folder`, runs `trainer` there, stores artifact
/// and evaluation files; TRAINED, or TRAINING_FAILED with a sentence for the user. Waits for imports that still run.
JobWorker::Handler make_training_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                         std::filesystem::path jobs_folder, std::filesystem::path trainer);

}  // namespace vedette
