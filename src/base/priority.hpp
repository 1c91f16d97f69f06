#pragma once

namespace vedette {

/// Lowers the priority of the calling thread for good, to that of trainings: it then gets the time that other threads
/// leave, so that detections do not wait for it.
void lower_thread_priority();

}  // namespace vedette
