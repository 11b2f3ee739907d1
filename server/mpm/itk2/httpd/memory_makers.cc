// What it is: see memory_makers.h. Between each two post_config hooks a marker of ours runs and looks at what is new.
#include "httpd/memory_makers.h"

#include "httpd/config_state.h"
#include "httpd/log.h"

#include <array>
#include <cstring>

namespace itk2::httpd {
namespace {

constexpr std::size_t most = 256;

struct Made {
    os::Inode inode;
    const char *module = nullptr;
};

constinit std::array<Made, most> made;
constinit std::size_t made_count = 0;
constinit const ap_LINK_post_config_t *hooks = nullptr; // in the order they run, markers among them
constinit int marked = 0;
constinit os::Inode scoreboard;

const Made *find(const os::Inode &inode) {
    for (std::size_t i = 0; i < made_count; i++)
        if (made[i].inode == inode) return &made[i];
    return nullptr;
}

void note(const os::Inode &inode, const char *module) {
    if (find(inode) == nullptr && made_count < made.size()) made[made_count++] = {inode, module};
}

Result note_new(const char *module) {
    static constinit std::array<os::SharedArea, most> mappings;
    std::size_t count = 0;
    if (const Result result = os::list_shared_mappings(os::Thoroughness::quick, mappings, count); !result.ok())
        return result;
    for (std::size_t i = 0; i < count && i < mappings.size(); i++) note(mappings[i].inode, module);
    std::array<os::LockFile, 32> lock_files;
    if (const Result result = os::list_lock_files(lock_files, count); !result.ok()) return result;
    for (std::size_t i = 0; i < count && i < lock_files.size(); i++) note(lock_files[i].inode, module);
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
    made_count = 0;
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
    return found == nullptr ? nullptr : found->module;
}

bool stays_shared(const os::Inode &inode) { return inode == scoreboard || is_named(maker_of(inode)); }

void find_scoreboard() { scoreboard = inode_at(ap_scoreboard_image->global); }

} // namespace itk2::httpd
