#pragma once

namespace vedette {

/// While it lives, threads that the calling thread starts ask the scheduler for short turns: they give way sooner, and get a busy core as
/// soon as they have work, where others that compute would first use up their turn (some 3 ms). Their share of the machine stays the
/// same. For threads that pass things on rather than compute. Linux 6.12 and later (EEVDF, custom slices); nothing happens elsewhere.
class ShortTimeSlices {
 public:
  ShortTimeSlices();
  ~ShortTimeSlices();
  ShortTimeSlices(const ShortTimeSlices&) = delete;
  ShortTimeSlices& operator=(const ShortTimeSlices&) = delete;
};

}  // namespace vedette
