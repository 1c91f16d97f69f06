#pragma once

#include <filesystem>

#include "jobs/jobs.hpp"
#include "service/image_quotas.hpp"
#include "store/objects/objects.hpp"
#include "training/training.hpp"

/// Makes the handlers of background jobs. Each job has the rights that the user who asked for it has at the time when
/// it runs.
///
/// Several nodes may run a job one after the other, and the first may come back when the second has ended. So whatever a
/// run writes into the object store before it is published has a name that contains JobRun::name. One transaction chooses
/// it. Objects with names that users know are made after that, and only from what was chosen: then all who write such an
/// object write the same bytes.
namespace vedette {

/// Makes the handler that reads a manifest from its bucket into a dataset. It checks every line and looks up every
/// object. The dataset ends as CREATE_COMPLETE with all entries, or as CREATE_FAILED with line number and reason.
JobHandler make_import_handler(ObjectStore& objects, const Clock& clock, const ImageQuotas& quotas);

/// Makes the handler that applies the changes of UpdateDatasetEntries, either all or none. The dataset ends as
/// UPDATE_COMPLETE, or as UPDATE_FAILED_ROLLBACK_COMPLETE with line number and reason.
JobHandler make_update_handler(ObjectStore& objects, const Clock& clock, const ImageQuotas& quotas);

/// Makes the handler that trains a model: it waits for imports that still run, copies the datasets into a job folder
/// below `jobs_folder`, runs `trainer` there, and stores the artifact and the evaluation files. The model ends as
/// TRAINED, or as TRAINING_FAILED with a sentence for the user. If the job says so, it instead moves an earlier model to
/// another batch in the same way, with a few pictures from a bucket. `sandbox` confines the trainer, since it decodes
/// pictures of strangers; if `sandbox` is empty, the trainer is not confined.
JobHandler make_training_handler(ObjectStore& objects, const ImageQuotas& quotas, std::filesystem::path jobs_folder,
                                 std::filesystem::path trainer, TrainingPlan plan,
                                 std::optional<TrainerSandbox> sandbox);

/// Makes the handler that writes a model's archive to the bucket that the user named. The packaging job ends as
/// SUCCEEDED, or as FAILED with a sentence for the user.
JobHandler make_packaging_handler(ObjectStore& objects, std::filesystem::path jobs_folder);

/// Makes the handler that has a model judge the pictures of a trial detection, in this process, on up to `threads`
/// threads of low priority. The model is in memory only as long as that takes. A run that was cut off goes on where it
/// was. The trial ends as COMPLETED, or as FAILED with a sentence for the user.
JobHandler make_trial_handler(ObjectStore& objects, const Clock& clock, std::filesystem::path jobs_folder, int threads);

/// Makes the handler that looks through the labelled pictures of a project, in this process, on up to `threads` threads
/// of low priority. A run that was cut off begins anew. The check ends as COMPLETED with its findings, or as FAILED with
/// a sentence for the user.
JobHandler make_dataset_check_handler(ObjectStore& objects, int threads);

}  // namespace vedette
