// What it is: a child that tells whose a directory is, for a process that enters a user namespace: from inside, all ids
// but its own look like nobody's. Runs as: ids without any privilege, outside the namespace, as long as its parent.
// Distrusts: its parent, which reads clients' bytes; answers about paths, and nothing but what anybody could see.
#pragma once

#include "base/result.h"
#include "os/fd.h"
#include "os/path_owner.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::os {

class OwnerTeller {
  public:
    // Forks it. From root with one thread, before anything of root is given up. Steps make_channel, fork_child, those
    // of become_listener in the child, peer_closed (it died).
    Result start(uid_t uid, gid_t gid);
    [[nodiscard]] bool is_started() const { return channel_.is_open(); }
    // As find_path_owner with anybody's sight; failed with ETIMEDOUT, or EPIPE where it is no more.
    PathOwner ask(const char *path, std::uint32_t timeout_ms);

  private:
    Fd channel_; // it ends when this is closed
    std::uint32_t asked_ = 0;
};

} // namespace itk2::os
