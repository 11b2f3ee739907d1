// What it is: which program PHP's mail() starts, as far as httpd's configuration says it (php_admin_value sendmail_path;
// php.ini is PHP's own), and whether it is a set-uid program.
// Runs as: the master, once it has begun.
#include "httpd/apache.h"
#include "httpd/settings.h"

#include <sys/stat.h>

#include <cstring>

namespace itk2::httpd {
namespace {

// What holds in a section.
struct Said {
    const char *mailer = "/usr/sbin/sendmail"; // and perhaps its arguments
    bool set_uid_programs = false;
};

// Whether it says anything of the two.
bool note(apr_pool_t *pool, const ap_directive_t &directive, Said &said) {
    const char *args = directive.args;
    if (strcasecmp(directive.directive, "SetUidPrograms") == 0) {
        said.set_uid_programs = strcasecmp(ap_getword_conf(pool, &args), "on") == 0;
        return true;
    }
    if (strcasecmp(directive.directive, "php_admin_value") != 0) return false;
    if (strcmp(ap_getword_conf(pool, &args), "sendmail_path") != 0) return false;
    said.mailer = ap_getword_conf(pool, &args);
    return true;
}

bool is_set_uid(const char *program) {
    struct stat about {};
    return *program == '/' && stat(program, &about) == 0 && (about.st_mode & S_ISUID) != 0;
}

const char *find(apr_pool_t *pool, const ap_directive_t *directives, Said around, bool is_whole);

const char *find_within(apr_pool_t *pool, const ap_directive_t *directives, Said said) {
    for (const ap_directive_t *directive = directives; directive != nullptr; directive = directive->next) {
        if (directive->first_child == nullptr) continue;
        if (const char *found = find(pool, directive->first_child, said, false)) return found;
    }
    return nullptr;
}

// The first set-uid mailer in these directives, and in the sections of theirs, where such programs gain nothing; or null.
const char *find(apr_pool_t *pool, const ap_directive_t *directives, Said around, bool is_whole) {
    Said said = around;
    bool has_news = is_whole; // what the sections around say has been looked at with them
    for (const ap_directive_t *directive = directives; directive != nullptr; directive = directive->next)
        if (note(pool, *directive, said)) has_news = true;
    if (has_news && !said.set_uid_programs) {
        const char *command = said.mailer;
        const char *program = ap_getword_white(pool, &command);
        if (is_set_uid(program)) return program;
    }
    return find_within(pool, directives, said);
}

} // namespace

const char *find_set_uid_mailer() { return find(ap_server_conf->process->pconf, ap_conftree, {}, true); }

} // namespace itk2::httpd
