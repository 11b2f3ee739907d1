/* What it is: a module that itk2-migrate lets `httpd -t` load, to be told what httpd makes of its configuration: each
 * directive with the file and line it comes from, after Include, Define, IfModule and Macro; and LoadModule and
 * <IfModule>, which httpd forgets as soon as it has read them.
 * Runs as: whoever runs `httpd -t`. Never: serves; without ITK2_MIGRATE_TREE in the environment it does nothing. */
#include "httpd.h"

#include "apr_strings.h"
#include "http_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One record: six fields, each ended by a zero byte: kind, depth, file, line, name, arguments. */
static void write_record(FILE *out, const char *kind, int depth, const ap_directive_t *directive) {
    fprintf(out, "%s%c%d%c%s%c%d%c%s%c%s%c", kind, 0, depth, 0, directive->filename ? directive->filename : "", 0,
            directive->line_num, 0, directive->directive, 0, directive->args ? directive->args : "", 0);
}

static FILE *open_tree(const char *mode) {
    const char *path = getenv("ITK2_MIGRATE_TREE");
    return path ? fopen(path, mode) : NULL;
}

static void note(cmd_parms *command, const char *kind, const char *arguments) {
    FILE *out = open_tree("ab");
    ap_directive_t directive;
    if (!out) return;
    memset(&directive, 0, sizeof directive);
    directive.filename = command->config_file ? command->config_file->name : NULL;
    directive.line_num = command->config_file ? (int)command->config_file->line_number : 0;
    directive.directive = command->cmd->name;
    directive.args = arguments;
    write_record(out, kind, 0, &directive);
    fclose(out);
}

/* httpd asks every module that has such a directive, the one that came last first; none of these says an error. */
static const char *see_load_module(cmd_parms *command, void *tree, const char *name, const char *path) {
    (void)tree;
    note(command, "load", apr_pstrcat(command->temp_pool, name, " ", path, NULL));
    return NULL;
}

static const char *see_if_module(cmd_parms *command, void *tree, const char *arguments) {
    (void)tree;
    note(command, "guard", arguments);
    return NULL;
}

static void write_directives(FILE *out, int depth, const ap_directive_t *first) {
    const ap_directive_t *directive;
    for (directive = first; directive; directive = directive->next) {
        write_record(out, "line", depth, directive);
        write_directives(out, depth + 1, directive->first_child);
    }
}

/* The tree is complete, and nothing of it has been carried out. */
static int write_tree(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp) {
    FILE *out = open_tree("ab");
    const module *loaded;
    ap_directive_t record;
    (void)pconf, (void)plog, (void)ptemp;
    if (!out) return OK;
    memset(&record, 0, sizeof record);
    for (loaded = ap_top_module; loaded; loaded = loaded->next) {
        record.directive = loaded->name;
        write_record(out, "module", 0, &record);
    }
    write_directives(out, 0, ap_conftree);
    record.directive = "";
    write_record(out, "end", 0, &record);
    return fclose(out) == 0 ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void register_hooks(apr_pool_t *pool) {
    (void)pool;
    ap_hook_pre_config(write_tree, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

static const command_rec seen[] = {
    AP_INIT_TAKE2("LoadModule", see_load_module, NULL, RSRC_CONF | EXEC_ON_READ, "as httpd's own"),
    AP_INIT_RAW_ARGS("<IfModule", see_if_module, NULL, EXEC_ON_READ | OR_ALL, "as httpd's own"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

__attribute__((visibility("default"))) module itk2_migrate_module = {
    .version = MODULE_MAGIC_NUMBER_MAJOR,
    .minor_version = MODULE_MAGIC_NUMBER_MINOR,
    .module_index = -1,
    .name = "mod_itk2_migrate.c",
    .magic = MODULE_MAGIC_COOKIE,
    .cmds = seen,
    .register_hooks = register_hooks,
};
