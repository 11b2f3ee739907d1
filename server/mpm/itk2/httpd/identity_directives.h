// What it is: what the directives about identities do with their arguments; their table is in directives.cc.
// Runs as: the master, while the configuration is read. Names of users and groups are resolved here, and never again.
#pragma once

#include "httpd/apache.h"

namespace itk2::httpd {

// AssignUserID, and RUidGid of mod_ruid2.
const char *assign_user_id(cmd_parms *command, void *section, const char *user, const char *group);
const char *assign_user_id_expr(cmd_parms *command, void *section, const char *text);
const char *assign_group_id_expr(cmd_parms *command, void *section, const char *text);
const char *set_nice_value(cmd_parms *command, void *section, const char *text);
// IdentityMode, and RMode of mod_ruid2, whose modes are two of these by other names.
const char *set_identity_mode(cmd_parms *command, void *section, const char *text);
const char *set_groups(cmd_parms *command, void *section, int count, char *const names[]);

// Of mod_ruid2, and nothing here does the same: the line says what does.
struct Replacement {
    const char *advice;
};
const char *refuse_replaced(cmd_parms *command, void *section, const char *arguments);

const char *add_reroute_from(cmd_parms *command, void *section, const char *text);

} // namespace itk2::httpd
