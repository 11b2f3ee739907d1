// What it is: a short-lived child that asks the machine's account database about one uid, so that the master never
// waits for it. The master's side first; plain data: it outlives reloads of the module.
#pragma once

#include "base/result.h"
#include "role/identity_segments.h"
#include "wire/messages.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::role {

struct Resolver {
    pid_t pid = 0; // 0: none runs
    int up = -1;
    uid_t uid = 0;
    gid_t gid = 0;
    std::int64_t deadline_ms = 0;
};

// Forks one. It runs as the spares' account without any capability, reads nothing, and ends once it has answered.
// Steps make_channel, fork_child.
Result start_resolver(Resolver &resolver, uid_t uid, gid_t gid, std::int64_t deadline_ms,
                      const IdentitySegments &segments);

enum class Heard : std::uint8_t {
    not_yet, // it is looking
    answer,  // `found` has it
    nothing, // it ended, or said what no resolver says
};
Heard hear(const Resolver &resolver, wire::Found &found);

// Ends it; it is reaped elsewhere.
void dismiss(Resolver &resolver);
// It has been reaped: its place is free.
void forget(Resolver &resolver);

} // namespace itk2::role
