#pragma once

#include <optional>
#include <string>

#include "doctor/doctor.hpp"
#include "nodes/membership.hpp"

namespace vedette::doctor {

/// Judges how far this machine's clock is from the database's.
void judge_database_clock(const membership::ClockDifference& difference, const Report& report);
/// Judges how far it is from that of the S3 service, whose Date header has no fractions of a second.
void judge_s3_clock(const membership::ClockDifference& difference, const Report& report);

}  // namespace vedette::doctor
