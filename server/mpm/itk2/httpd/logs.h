// What it is: which of the master's descriptors are logs, and who writes to each. For the roles; no httpd type.
// Runs as: the master, once for every configuration; its children read what it has found.
#pragma once

#include "base/ids.h"
#include "base/result.h"

#include <cstdint>
#include <span>

namespace itk2::httpd {

struct Log {
    int descriptor;
    std::uint32_t file; // the place of the first log that is the same file or pipe
    IdentityKey owner;  // who alone writes to it; no_identity: several do
    bool is_error;      // an ErrorLog
    bool is_servers;    // the main server's, or nobody's that is known: everybody writes to it
    bool is_undecided;  // a virtual host's whose requests may be several identities'
};

// Once the logs are open. Step make_logs.
Result find_logs();
std::span<const Log> logs();
// Whether several identities write to one of them: those write through a scribe.
[[nodiscard]] bool are_logs_shared();
// Whether this identity writes to a log that several write to.
[[nodiscard]] bool may_write(const Log &log, IdentityKey identity);
// Whether the configuration starts programs that requests are rewritten by (RewriteMap prg:), over pipes of the master's.
[[nodiscard]] bool has_map_programs();

} // namespace itk2::httpd
