// What it is: see pool_directives.h.
#include "httpd/pool_directives.h"

#include "httpd/sources.h"
#include "plan/size.h"

#include <cstring>
#include <string_view>

namespace itk2::httpd {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Limit::count_)> directive_names = {
    "PoolMemoryMax", "PoolCPUMax", "PoolCPUWeight", "PoolProcessesMax", "PoolFilesMax"};

const char *say_bytes(apr_pool_t *pool, std::uint64_t bytes) {
    constexpr std::uint64_t mebi = 1ULL << 20;
    constexpr std::uint64_t tebi = 1ULL << 40;
    return bytes >= tebi ? apr_psprintf(pool, "%" APR_UINT64_T_FMT "T", bytes / tebi)
                         : apr_psprintf(pool, "%" APR_UINT64_T_FMT "M", bytes / mebi);
}

} // namespace

const char *directive_of(Limit limit) { return directive_names[static_cast<std::size_t>(limit)].data(); }

const char *set_pool_limit(cmd_parms *command, void *, const char *text) {
    if (const char *error = ap_check_cmd_context(command, NOT_IN_DIR_CONTEXT | NOT_IN_LIMIT)) return error;
    const auto &rule = *static_cast<const LimitRule *>(command->info);
    const bool is_size = rule.limit == Limit::memory;
    const auto value = plan::read_size(text, rule.most);
    const bool has_unit = text[0] != '\0' && (text[strlen(text) - 1] < '0' || text[strlen(text) - 1] > '9');
    const bool is_none = rule.may_be_none && value == 0U;
    if (!value || (!is_size && has_unit) || (*value < rule.least && !is_none)) {
        apr_pool_t *pool = command->pool;
        const char *least = is_size ? say_bytes(pool, rule.least) : apr_psprintf(pool, "%u", unsigned(rule.least));
        const char *most = is_size ? say_bytes(pool, rule.most) : apr_psprintf(pool, "%u", unsigned(rule.most));
        return apr_psprintf(pool, "%s: \"%s\" is not a %s from %s to %s%s", command->cmd->name, text,
                            is_size ? "size (as 512M, 2G)" : "number", least, most,
                            rule.may_be_none ? ", nor 0, which is no limit" : "");
    }
    PoolLimitGiven &given = server_config(command->server)->limits[static_cast<std::size_t>(rule.limit)];
    given.server = command->server;
    given.place = apr_psprintf(command->pool, "%s:%d", command->directive->filename, command->directive->line_num);
    given.value = *value;
    return nullptr;
}

} // namespace itk2::httpd
