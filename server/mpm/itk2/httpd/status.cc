// What it is: see status.h.
#include "httpd/status.h"

#include "httpd/board.h"
#include "httpd/config.h"
#include "httpd/grants.h"
#include "httpd/settings.h"
#include "plan/counting.h"

#include "httpd/apache.h"
#include "mod_status.h"

#include <apr_optional_hooks.h>

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <span>

namespace itk2::httpd {
namespace {

constexpr int most_vhosts = 100; // in the table: the others have nothing that waits, or less

// All listeners' rows; they write while this is read.
struct Counting {
    std::span<std::uint32_t> numbers;
    std::size_t vhosts = 0;
    [[nodiscard]] std::size_t row_length() const { return plan::row_length(vhosts); }
    [[nodiscard]] std::size_t listeners() const { return numbers.size() / row_length(); }
    [[nodiscard]] std::uint32_t at(std::size_t listener, std::size_t place) const {
        return std::atomic_ref(numbers[listener * row_length() + place]).load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint32_t of_all(std::size_t place) const {
        std::uint32_t sum = 0;
        for (std::size_t listener = 0; listener < listeners(); listener++) sum += at(listener, place);
        return sum;
    }
};
constinit Counting counting;

struct Load {
    const server_rec *vhost;
    std::uint32_t busy; // with workers, and queued
    std::uint32_t queued;
};

bool is_more(const Load &one, const Load &other) {
    return one.queued != other.queued ? one.queued > other.queued : one.busy > other.busy;
}

std::span<Load> busiest_first(apr_pool_t *pool) {
    apr_array_header_t *loads = apr_array_make(pool, 16, sizeof(Load));
    std::size_t vhost = 0;
    for (const server_rec *server = ap_server_conf; server != nullptr; server = server->next, vhost++) {
        const Load load{server, counting.of_all(plan::place_of_busy(vhost)),
                        counting.of_all(plan::place_of_queued(vhost, counting.vhosts))};
        if (load.busy != 0) APR_ARRAY_PUSH(loads, Load) = load;
    }
    const std::span<Load> all{reinterpret_cast<Load *>(loads->elts), static_cast<std::size_t>(loads->nelts)};
    std::sort(all.begin(), all.end(), is_more);
    return all.first(std::min<std::size_t>(all.size(), most_vhosts));
}

const char *user_of(const server_rec *vhost) {
    const IdentityKey key = route_identity_of(vhost);
    return is_identity(key) ? identity(key).name : "by request";
}

struct Column {
    plan::Held state;
    const char *head;
    const char *word; // with ?auto
};
constexpr Column columns[] = {
    {plan::Held::waiting, "waiting for a request head", "ListenerConnsHead"},
    {plan::Held::idle, "idle, kept", "ListenerConnsIdle"},
    {plan::Held::queued, "waiting for a worker", "ListenerConnsQueued"},
    {plan::Held::busy, "with a worker", "ListenerConnsBusy"},
    {plan::Held::lingering, "closing", "ListenerConnsClosing"},
};

void show_words(request_rec *request) {
    std::uint32_t all = 0;
    for (const Column &column : columns) all += counting.of_all(plan::place_of(column.state));
    ap_rprintf(request, "ListenerConns: %u\n", all);
    for (const Column &column : columns)
        ap_rprintf(request, "%s: %u\n", column.word, counting.of_all(plan::place_of(column.state)));
    const Kept kept = kept_memory();
    ap_rprintf(request, "KeptIdentities: %u\nKeptMemory: %u\n", kept.identities, kept.kib);
}

void show_listeners(request_rec *request) {
    ap_rputs("<hr />\n<h2>Connections</h2>\n<table border=\"0\"><tr><th>Listener</th>", request);
    for (const Column &column : columns) ap_rprintf(request, "<th>%s</th>", column.head);
    ap_rputs("</tr>\n", request);
    for (std::size_t listener = 0; listener < counting.listeners(); listener++) {
        ap_rprintf(request, "<tr><td>%" APR_SIZE_T_FMT "</td>", listener);
        for (const Column &column : columns)
            ap_rprintf(request, "<td>%u</td>", counting.at(listener, plan::place_of(column.state)));
        ap_rputs("</tr>\n", request);
    }
    ap_rputs("</table>\n", request);
}

void show_vhosts(request_rec *request) {
    ap_rputs("<table border=\"0\"><tr><th>VHost</th><th>User</th><th>with a worker</th><th>waiting for one</th></tr>\n",
             request);
    for (const Load &load : busiest_first(request->pool)) {
        const VhostName vhost = name_of(load.vhost);
        ap_rprintf(request, "<tr><td>%s:%u</td><td>%s</td><td>%u</td><td>%u</td></tr>\n",
                   ap_escape_html(request->pool, vhost.name), static_cast<unsigned>(vhost.port),
                   ap_escape_html(request->pool, user_of(load.vhost)), load.busy - std::min(load.busy, load.queued),
                   load.queued);
    }
    ap_rputs("</table>\n", request);
}

int show_status(request_rec *request, int flags) {
    if (counting.numbers.empty()) return DECLINED;
    if ((flags & AP_STATUS_SHORT) != 0) {
        show_words(request);
        return OK;
    }
    show_listeners(request);
    show_vhosts(request);
    const Kept kept = kept_memory();
    ap_rprintf(request, "<p>Kept for users who have no worker now: caches of %u, %u kB</p>\n", kept.identities,
               kept.kib);
    return OK;
}

} // namespace

Result see_counters(int counters) {
    struct stat about {};
    if (fstat(counters, &about) != 0) return failed(Step::map_memory);
    const auto size = static_cast<std::size_t>(about.st_size);
    const std::size_t vhosts = vhost_count();
    if (size == 0 || size % plan::counting_size(1, vhosts) != 0) return refused(Step::map_memory, EINVAL);
    void *const mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, counters, 0);
    if (mapped == MAP_FAILED) return failed(Step::map_memory);
    counting = {{static_cast<std::uint32_t *>(mapped), size / sizeof(std::uint32_t)}, vhosts};
    return success;
}

void register_status() { APR_OPTIONAL_HOOK(ap, status_hook, show_status, nullptr, nullptr, APR_HOOK_MIDDLE); }

} // namespace itk2::httpd
