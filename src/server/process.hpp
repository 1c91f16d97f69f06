#pragma once

#include <cstddef>

/// What a server needs of the process that it runs in.
namespace vedette {

/// Files that the process makes from now on are readable by their owner only (umask 077), and a client that hangs up
/// while it is written to does not end the process (SIGPIPE is ignored). Call before other threads are started.
void prepare_process();

/// Raises the soft limit of file descriptors as far as the hard limit allows, since shells and service managers hand out
/// 1,024. Every connection takes one, and the stores take a few hundred. Returns how many connections may be accepted:
/// `wanted`, or as many as the limit leaves room for, which is then logged.
std::size_t make_room_for_connections(std::size_t wanted);

}  // namespace vedette
