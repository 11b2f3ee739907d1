// What it is: see listener_program.h.
#include "httpd/listener_program.h"

#include "httpd/config.h"
#include "os/file_trust.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>

namespace itk2::httpd {

namespace {

const char *blame(apr_pool_t *pool, const char *path, const os::FileTrust &trust, int error) {
    switch (trust.reason) {
    case os::Distrust::missing:
        return apr_psprintf(pool, "the listener's program %s can't be used: %s: %s; install it, or set ListenerProgram",
                            path, trust.offender, strerror(error));
    case os::Distrust::not_a_file:
        return apr_psprintf(pool, "the listener's program %s is no regular file; set ListenerProgram", path);
    case os::Distrust::owner:
        return apr_psprintf(pool,
                            "the listener's program %s is not to be trusted: %s belongs to another user than root; "
                            "chown it",
                            path, trust.offender);
    case os::Distrust::writable:
        return apr_psprintf(pool,
                            "the listener's program %s is not to be trusted: others than its owner may write to "
                            "%s; chmod it",
                            path, trust.offender);
    case os::Distrust::none: break;
    }
    return apr_psprintf(pool, "the listener's program %s can't be judged: %s", path, strerror(error));
}

#ifdef ITK2_LISTENER_PROGRAM
// Linked into httpd, this module has no file of its own: its build says where it installs the program.
const char *usual_path(apr_pool_t *) { return ITK2_LISTENER_PROGRAM; }
#else
// The directory of the file this module was loaded from.
const char *own_directory(apr_pool_t *pool) {
    Dl_info about{};
    char resolved[PATH_MAX];
    if (dladdr(&mpm_itk2_module, &about) == 0 || !about.dli_fname || !realpath(about.dli_fname, resolved))
        return nullptr;
    char *slash = strrchr(resolved, '/');
    if (slash) *slash = '\0';
    return apr_pstrdup(pool, resolved);
}

const char *usual_path(apr_pool_t *pool) {
    const char *directory = own_directory(pool);
    if (!directory) return nullptr;
    const char *beside = apr_pstrcat(pool, directory, "/itk2-listener", nullptr);
    if (access(beside, F_OK) == 0) return beside;
    const char *above = apr_pstrcat(pool, directory, "/../itk2-listener", nullptr);
    return access(above, F_OK) == 0 ? above : beside;
}
#endif

} // namespace

const char *find_listener_program(apr_pool_t *pool, const char *configured, const char *&program) {
    const char *path = configured ? configured : usual_path(pool);
    if (!path)
        return "this module's own file can't be found, nor the listener's program beside it; set ListenerProgram";
    os::FileTrust trust;
    const Result result = os::verify_file_trust(path, geteuid(), trust);
    if (!result.ok()) return blame(pool, path, trust, result.error);
    if (access(trust.path, X_OK) != 0)
        return apr_psprintf(pool, "the listener's program %s can't be run: %s; chmod it", trust.path, strerror(errno));
    program = apr_pstrdup(pool, trust.path);
    return nullptr;
}

} // namespace itk2::httpd
