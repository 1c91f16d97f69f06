#pragma once

namespace vedette {

/// While this object lives, threads that the calling thread starts ask the scheduler for short turns. They give way
/// sooner, and get a busy core as soon as they have work, where other threads that compute would first use up their
/// turn of about 3 ms. Their share of the machine stays the same. It serves for threads that pass things on rather than
/// compute. It needs Linux 6.12 or later (EEVDF with custom slices) and does nothing elsewhere.
class ShortTimeSlices {
 public:
  ShortTimeSlices();
  ~ShortTimeSlices();
  ShortTimeSlices(const ShortTimeSlices&) = delete;
  ShortTimeSlices& operator=(const ShortTimeSlices&) = delete;
};

}  // namespace vedette
