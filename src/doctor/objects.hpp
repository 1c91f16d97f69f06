#pragma once

#include "doctor/doctor.hpp"
#include "store/objects/objects.hpp"

namespace vedette::doctor {

/// Tries with an object of its own whether a store does what the server relies on: that what was written is read at once, as it
/// was and in any part, that listings show it, that large objects can be sent in parts, and that what was removed is gone. The
/// object is removed again, whatever happens. Returns whether the store could be reached.
bool check_objects(ObjectStore& store, const Report& report);

}  // namespace vedette::doctor
