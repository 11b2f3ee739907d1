// What it is: the command line that ps shows for each process of the module.
#pragma once

namespace itk2::role {

// Once, in the master, while it is root; children inherit the page and write their own copy.
void claim_title();
// "itk2: role name"; `name` may be null.
void set_title(const char *role, const char *name = nullptr);

} // namespace itk2::role
