#pragma once

#include <cstddef>

/// Prepares the process that a server runs in.
namespace vedette {

/// Makes files that the process creates from now on readable by their owner only (umask 077), and ignores SIGPIPE, so
/// that the process survives if a client hangs up while the server writes to it. Call it before other threads are
/// started.
void prepare_process();

/// Raises the soft limit of file descriptors as far as the hard limit allows, because shells and service managers set
/// it to 1,024. Every connection takes one descriptor, and the stores take a few hundred. Returns how many connections
/// the server may accept: `wanted`, or fewer if the limit leaves no room for so many, which the function then logs.
std::size_t make_room_for_connections(std::size_t wanted);

}  // namespace vedette
