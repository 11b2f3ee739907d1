// What it is: making a process that has just become an identity an httpd child, and taking leave of httpd.
// Runs as: the worker's identity: no module's code runs in a worker before that; or as a parser.
#pragma once

#include "base/exit_code.h"
#include "base/ids.h"
#include "base/result.h"
#include "plan/identity.h"
#include "plan/wish.h"

namespace itk2::httpd {

// In every forked child, first: httpd's notion of its thread.
void note_forked();

// Runs the modules' drop_privileges and child_init hooks; from then on the process may admit() connections.
// The identity's groups and name must live as long as the process.
Result begin_serving(Slot slot, IdentityKey key, const plan::Identity &identity);

enum class Became : std::uint8_t {
    yes,     // the process is what was wished for
    refused, // it must not be that
    later,   // it might have been, but not now
};
// How a parser becomes what a request is to run as.
struct Become {
    Became (*ask)(void *self, const plan::Wish &wish) = nullptr;
    void *self = nullptr;
};
// The same for a parser, whose identity the first request it reads will tell.
Result begin_parsing(Slot slot, const Become &become);
// The parser is this identity from now on, and a worker: the child_init of modules that start threads has waited for it.
void note_identity(IdentityKey key, const plan::Identity &identity);
[[nodiscard]] bool is_identified();

// What a worker does before a request that may take its time: makes way for others' requests; true where it had to. `is_long`:
// this one is none of those that are light. `is_wanted`: whether there are others, so that it matters what is light.
struct Way {
    bool (*make)(void *self, bool is_long) = nullptr;
    bool (*is_wanted)(const void *self) = nullptr;
    void *self = nullptr;
};
void note_way(const Way &way);

// No more connections will be admitted; those that can't go on elsewhere are told to come back anew.
void begin_finishing();

// Runs the modules' clean-ups, then exits.
[[noreturn]] void leave(ExitCode code);

} // namespace itk2::httpd
