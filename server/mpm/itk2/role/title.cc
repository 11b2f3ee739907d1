// What it is: the one title of this process.
#include "role/title.h"

#include "os/process.h"

namespace itk2::role {
namespace {

constinit os::Title title;

} // namespace

void claim_title() {
    // A process that can't have a title works without.
    (void)title.claim();
}

void set_title(const char *role, const char *name) { title.set(role, name); }

} // namespace itk2::role
