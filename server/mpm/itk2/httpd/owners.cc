// What it is: see owners.h.
#include "httpd/owners.h"

#include "httpd/settings.h"
#include "os/owner_teller.h"

#include <cerrno>
#include <cstdlib>
#include <new>

namespace itk2::httpd {
namespace {

constinit os::OwnerTeller *teller = nullptr; // as long as the process

} // namespace

Result begin_owner_lookups() {
    const Settings &now = settings();
    // Outside a user namespace everybody sees whose a directory is.
    if (!now.finds_owners || now.parser_confinement != Confinement::name_space) return success;
    void *place = calloc(1, sizeof(os::OwnerTeller));
    if (!place) return refused(Step::fork_child, ENOMEM);
    teller = new (place) os::OwnerTeller;
    return teller->start(now.spare_uid, now.spare_gid);
}

os::PathOwner look_up_owner(const char *path) {
    return teller ? teller->ask(path, settings().name_lookup_timeout_ms)
                  : os::find_path_owner(path, os::Sight::anybodys);
}

} // namespace itk2::httpd
