// What it is: what the directives about a pool's limits do with their argument; their table is in directives.cc.
// Runs as: the master, while the configuration is read.
#pragma once

#include "base/pool_limits.h"
#include "httpd/apache.h"

namespace itk2::httpd {

// A limit's bounds. 0 is let through where it is "no limit".
struct LimitRule {
    Limit limit;
    std::uint64_t least;
    std::uint64_t most;
    bool may_be_none = true;
};

// `command->info`: a LimitRule.
const char *set_pool_limit(cmd_parms *command, void *section, const char *text);
// As they stand in the directives' names: what each limit is called in a line of the log.
const char *directive_of(Limit limit);

} // namespace itk2::httpd
