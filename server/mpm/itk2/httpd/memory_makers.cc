// What it is: see memory_makers.h. Between each two post_config hooks a marker of ours runs and looks at what is new.
#include "httpd/memory_makers.h"

#include "httpd/config_state.h"
#include "httpd/log.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace itk2::httpd {
namespace {

constexpr std::size_t most = 256;

struct Made {
    os::Inode inode;
    char module[44]; // empty: there before any hook
};
// Outlives reloads of this module, which come between two readings of the configuration: what has been made at the first
// one (mod_ssl's mutex) may be there at all later ones. The key changes with the layout.
struct Makers {
    std::uint32_t count;
    Made made[most];
};
constexpr char makers_key[] = "mpm-itk2 makers of memory 1";

Makers &makers() {
    auto *found = static_cast<Makers *>(ap_retained_data_get(makers_key));
    if (!found) found = static_cast<Makers *>(ap_retained_data_create(makers_key, sizeof(Makers)));
    return *found;
}

constinit const ap_LINK_post_config_t *hooks = nullptr; // in the order they run, markers among them
constinit int marked = 0;
constinit os::Inode scoreboard;

const Made *find(const os::Inode &inode) {
    const Makers &all = makers();
    for (std::size_t i = 0; i < all.count; i++)
        if (all.made[i].inode == inode) return &all.made[i];
    return nullptr;
}

void note(const os::Inode &inode, const char *module) {
    Makers &all = makers();
    if (find(inode) != nullptr || all.count == most) return;
    Made &made = all.made[all.count++];
    made.inode = inode;
    apr_cpystrn(made.module, module == nullptr ? "" : module, sizeof made.module);
}

// Of those noted before, what is there still: another thing may have the inode of one that has gone.
void keep_only(std::span<const os::SharedArea> mappings, std::span<const os::LockFile> lock_files) {
    const auto is_there = [&](const Made &made) {
        const auto is_its = [&](const auto &other) {
            return other.inode == made.inode;
        };
        return std::any_of(mappings.begin(), mappings.end(), is_its) ||
               std::any_of(lock_files.begin(), lock_files.end(), is_its);
    };
    Makers &all = makers();
    Made *const end = all.made + all.count;
    all.count = static_cast<std::uint32_t>(std::partition(all.made, end, is_there) - all.made);
}

Result note_new(const char *module) {
    static constinit std::array<os::SharedArea, most> mappings;
    std::size_t count = 0;
    if (const Result result = os::list_shared_mappings(os::Thoroughness::quick, mappings, count); !result.ok())
        return result;
    const std::span there{mappings.data(), std::min(count, mappings.size())};
    std::array<os::LockFile, 32> room;
    if (const Result result = os::list_lock_files(room, count); !result.ok()) return result;
    const std::span lock_files{room.data(), std::min(count, room.size())};
    if (module == nullptr) keep_only(there, lock_files);
    for (const os::SharedArea &mapping : there) note(mapping.inode, module);
    for (const os::LockFile &lock_file : lock_files) note(lock_file.inode, module);
    return success;
}

// Runs before the first hook, and after each.
int mark(apr_pool_t *, apr_pool_t *, apr_pool_t *, server_rec *) {
    const char *module = marked == 0 ? nullptr : hooks[2 * marked - 1].szName;
    marked++;
    const Result result = note_new(module);
    if (result.ok()) return OK;
    log(LogId::segments_not_found, step_name(result.step), error_words(result), result.error);
    return HTTP_INTERNAL_SERVER_ERROR;
}

os::Inode inode_at(const void *where) {
    static constinit std::array<os::SharedArea, most> mappings;
    std::size_t count = 0;
    const auto address = reinterpret_cast<std::uintptr_t>(where);
    if (where == nullptr || !os::list_shared_mappings(os::Thoroughness::quick, mappings, count).ok()) return {};
    for (std::size_t i = 0; i < count && i < mappings.size(); i++)
        if (address >= mappings[i].start && address - mappings[i].start < mappings[i].size) return mappings[i].inode;
    return {};
}

bool is_named(const char *module) {
    const apr_array_header_t *names = config_state().shares_memory_of;
    for (int i = 0; module != nullptr && i < names->nelts; i++)
        if (strcmp(module, APR_ARRAY_IDX(names, i, const char *)) == 0) return true;
    return false;
}

} // namespace

void watch_memory() {
    marked = 0;
    apr_array_header_t *array = ap_hook_get_post_config();
    if (array == nullptr || array->nelts == 0) return;
    const int count = array->nelts;
    auto *marked_hooks = static_cast<ap_LINK_post_config_t *>(
        apr_pcalloc(array->pool, sizeof(ap_LINK_post_config_t) * static_cast<apr_size_t>(2 * count + 1)));
    ap_LINK_post_config_t marker{};
    marker.pFunc = mark;
    marker.szName = mpm_itk2_module.name;
    for (int i = 0; i < count; i++) {
        marked_hooks[2 * i] = marker;
        marked_hooks[2 * i + 1] = APR_ARRAY_IDX(array, i, ap_LINK_post_config_t);
    }
    marked_hooks[2 * count] = marker;
    array->elts = reinterpret_cast<char *>(marked_hooks);
    array->nelts = array->nalloc = 2 * count + 1;
    hooks = marked_hooks;
}

const char *maker_of(const os::Inode &inode) {
    const Made *found = find(inode);
    return found == nullptr || found->module[0] == '\0' ? nullptr : found->module;
}

bool stays_shared(const os::Inode &inode) { return inode == scoreboard || is_named(maker_of(inode)); }

void find_scoreboard() { scoreboard = inode_at(ap_scoreboard_image->global); }

} // namespace itk2::httpd
