// What it is: what must hold before the listener reads its first message.
// Trusts: nothing about how it was started but that descriptors 3 and 4 are its channel.
#pragma once

#include "base/result.h"
#include "plan/siphash.h"

#include <cstdint>
#include <sys/types.h>

namespace itk2::listener {

struct Arguments {
    std::uint32_t number = 0;
    pid_t master = 0;
};

// `itk2-listener NUMBER MASTER-PID`. False: these are no such arguments.
bool read_arguments(int argc, char **argv, Arguments &arguments);

// Dies with the master, no dumps, no uid 0, no capability, no descriptor beyond the channel; signals and limits set.
Result secure(const Arguments &arguments, std::uint32_t &descriptor_limit);

// A random number nobody else knows. Step start_program.
Result draw_secret(plan::SipKey &secret);

// That this process may run on.
[[nodiscard]] std::uint32_t count_processors();

// What ps shows.
void show_title(int argc, char **argv, std::uint32_t number);

// One line on stderr.
void complain(const char *what, Result result);

} // namespace itk2::listener
