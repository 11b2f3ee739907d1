/* What it is: modules that stand in for ones that a machine no longer has, so that `httpd -t` reads what is written for
 * them: they take the directives, do nothing, and lend their names to <IfModule>. itk2-migrate has httpd load them.
 * A library of its own: whoever loads it has these names in the way of the real ones.
 * Runs as: whoever runs `httpd -t`. Never: serves. */
#include "httpd.h"

#include "http_config.h"

static const char *take(cmd_parms *command, void *section, const char *arguments) {
    (void)command, (void)section, (void)arguments;
    return NULL;
}

/* anywhere: what a real module would say about places is not asked of a stand-in. */
#define TAKEN(name) AP_INIT_RAW_ARGS(name, take, NULL, RSRC_CONF | ACCESS_CONF, "taken and not used")

static const command_rec of_itk[] = {
    TAKEN("AssignUserID"),    TAKEN("AssignUserIDExpr"),   TAKEN("AssignGroupIDExpr"),
    TAKEN("MaxClientsVHost"), TAKEN("NiceValue"),          TAKEN("LimitUIDRange"),
    TAKEN("LimitGIDRange"),   TAKEN("EnableCapabilities"), {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

static const command_rec of_ruid2[] = {
    TAKEN("RMode"),
    TAKEN("RUidGid"),
    TAKEN("RGroups"),
    TAKEN("RDefaultUidGid"),
    TAKEN("RMinUidGid"),
    TAKEN("RDocumentChRoot"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

static const command_rec of_peruser[] = {
    TAKEN("ServerEnvironment"),
    TAKEN("Processor"),
    TAKEN("<Processor"),
    TAKEN("Multi"
          "plexer"),
    TAKEN("<Multi"
          "plexer"),
    TAKEN("MinProcessors"),
    TAKEN("MinSpareProcessors"),
    TAKEN("MaxSpareProcessors"),
    TAKEN("MaxProcessors"),
    TAKEN("MinMultiplexers"),
    TAKEN("MaxMultiplexers"),
    TAKEN("IdleTimeout"),
    TAKEN("ExpireTimeout"),
    TAKEN("MultiplexerIdleTimeout"),
    TAKEN("ProcessorWaitTimeout"),
    TAKEN("ProcessorWaitSteps"),
    TAKEN("ProcessorCPULimit"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

#define RECORD(file, commands)                                                                                \
    {                                                                                                         \
        .version = MODULE_MAGIC_NUMBER_MAJOR, .minor_version = MODULE_MAGIC_NUMBER_MINOR, .module_index = -1, \
        .name = file, .magic = MODULE_MAGIC_COOKIE, .cmds = commands                                          \
    }

__attribute__((visibility("default"))) module mpm_itk_module = RECORD("mpm_itk.c", of_itk);
__attribute__((visibility("default"))) module ruid2_module = RECORD("mod_ruid2.c", of_ruid2);
__attribute__((visibility("default"))) module mpm_peruser_module = RECORD("peruser.c", of_peruser);
