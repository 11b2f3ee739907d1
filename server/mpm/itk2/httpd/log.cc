// What it is: log lines by way of httpd's own error log.
#include "httpd/log.h"

#include "httpd/apache.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>

APLOG_USE_MODULE(mpm_itk2);

namespace itk2::httpd {
namespace {

constexpr int httpd_level(Level level) {
    switch (level) {
    case Level::alert: return APLOG_ALERT;
    case Level::error: return APLOG_ERR;
    case Level::warning: return APLOG_WARNING;
    case Level::notice: return APLOG_NOTICE;
    case Level::info: return APLOG_INFO;
    case Level::debug: return APLOG_DEBUG;
    }
    return APLOG_ERR;
}

const LogLine &line_of(LogId id) {
    for (const LogLine &line : log_lines)
        if (line.id == id) return line;
    return log_lines[0];
}

} // namespace

void log(LogId id, ...) {
    const LogLine &line = line_of(id);
    char words[1024];
    va_list arguments;
    va_start(arguments, id);
    vsnprintf(words, sizeof words, line.format, arguments);
    va_end(arguments);
    // To the console while the configuration is read for the first time, as httpd does: somebody is in front of it.
    const bool at_console = ap_unixd_mpm_get_retained_data()->module_loads == 1;
    ap_log_error(APLOG_MARK, httpd_level(line.level) | (at_console ? APLOG_STARTUP : 0), 0,
                 at_console ? nullptr : ap_server_conf, "%s: %s", line.code, words);
}

const char *error_words(Result result) { return result.error == 0 ? "refused" : strerror(result.error); }

void log_failed_step(const char *role, const char *name, Result result) {
    log(LogId::step_failed, role, name, static_cast<int>(getpid()), step_name(result.step), error_words(result),
        result.error);
}

} // namespace itk2::httpd
