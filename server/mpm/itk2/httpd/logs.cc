// What it is: see logs.h. Error logs stand in httpd's own records; access logs have been noted when they were opened;
// whatever else is open to append to is somebody's log as well, and everybody's as far as anyone knows.
#include "httpd/logs.h"

#include "base/growing_array.h"
#include "httpd/config.h"
#include "httpd/lifecycle_state.h"
#include "httpd/log_watch.h"
#include "httpd/sources.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace itk2::httpd {
namespace {

struct File {
    dev_t device;
    ino_t inode;
};

// A virtual host that writes to a log of its own, or that httpd has given it.
struct Use {
    int descriptor;
    std::uint32_t file;
    VhostIndex vhost;
    const server_rec *server;
};

constinit GrowingArray<Log> found;
constinit GrowingArray<Use> uses;
constinit GrowingArray<File> files;             // in the order of the logs
constinit GrowingArray<std::uint32_t> place_of; // a log's place + 1, by its descriptor; 0: no log
constinit bool shared = false;
constinit bool map_programs = false;

bool is_null_device(const struct stat &about) {
    struct stat null {};
    return S_ISCHR(about.st_mode) && stat("/dev/null", &null) == 0 && about.st_rdev == null.st_rdev;
}

bool is_written(int descriptor) {
    const int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

Log *find(int descriptor) {
    const auto number = static_cast<std::size_t>(descriptor);
    if (number >= place_of.size() || place_of.items()[number] == 0) return nullptr;
    return &found.items()[place_of.items()[number] - 1];
}

void enter(const Log &log, const struct stat &about) {
    found.add(log);
    files.add({about.st_dev, about.st_ino});
    const auto number = static_cast<std::size_t>(log.descriptor);
    if (number >= place_of.size()) place_of.extend(number + 1 - place_of.size());
    if (!place_of.has_failed() && !found.has_failed())
        place_of.items()[number] = static_cast<std::uint32_t>(found.size());
}

// A second virtual host with the same log, or with the same file, makes it that of several.
void add_writer(Log &log, IdentityKey identity, bool is_undecided) {
    if (is_undecided) log.is_undecided = true;
    if (identity != log.owner) log.owner = no_identity;
}

void note(int descriptor, const server_rec *server, bool is_error) {
    if (server->is_virtual) uses.add({descriptor, 0, server_config(server)->index, server});
    const IdentityKey identity = route_identity_of(server);
    const bool is_undecided = server->is_virtual && !is_decided(server);
    if (Log *known = find(descriptor)) return add_writer(*known, identity, is_undecided);
    struct stat about {};
    if (!is_written(descriptor) || fstat(descriptor, &about) != 0 || is_null_device(about)) return;
    enter({descriptor, 0, identity, is_error, !server->is_virtual, is_undecided}, about);
}

void note_error_log(const server_rec *server) {
    apr_os_file_t descriptor = -1;
    if (server->error_log != nullptr && apr_os_file_get(&descriptor, server->error_log) == APR_SUCCESS)
        note(descriptor, server, true);
}

// What modules have opened to append to, as mod_log_forensic does, or mod_security.
void note_unknown(int descriptor) {
    struct stat about {};
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_APPEND) == 0 || fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) return;
    if (find(descriptor) == nullptr) note(descriptor, ap_server_conf, false);
}

Result note_all_unknown() {
    DIR *open_files = opendir("/proc/self/fd");
    if (open_files == nullptr) return failed(Step::make_logs);
    while (const dirent *entry = readdir(open_files))
        if (entry->d_name[0] != '.') note_unknown(atoi(entry->d_name));
    closedir(open_files);
    return success;
}

// All that there may be in this configuration; no_identity where there are several.
IdentityKey only_identity() {
    const IdentityKey first = route_identity_of(ap_server_conf);
    for (const server_rec *server = ap_server_conf; server != nullptr; server = server->next)
        if (route_identity_of(server) != first) return no_identity;
    return first;
}

// Two descriptors of one file are one log. False when memory is short.
bool join_same_files() {
    const std::span<Log> all = found.items();
    const std::span<const File> file = files.items();
    GrowingArray<std::uint32_t> by_file;
    for (std::uint32_t i = 0; i < all.size(); i++) by_file.add(i);
    if (by_file.has_failed()) return false;
    const std::span<std::uint32_t> order = by_file.items();
    std::sort(order.begin(), order.end(), [file](std::uint32_t a, std::uint32_t b) {
        if (file[a].device != file[b].device) return file[a].device < file[b].device;
        return file[a].inode != file[b].inode ? file[a].inode < file[b].inode : a < b;
    });
    std::uint32_t same = 0;
    for (const std::uint32_t i : order) {
        if (file[i].device != file[same].device || file[i].inode != file[same].inode) same = i;
        all[i].file = same;
        if (i == same) continue;
        add_writer(all[same], all[i].owner, all[i].is_undecided);
        if (all[i].is_servers) all[same].is_servers = true;
    }
    for (Log &log : all) {
        const Log &first = all[log.file];
        log.owner = first.owner;
        log.is_servers = first.is_servers;
        log.is_undecided = first.is_undecided;
        if (log.owner == no_identity) shared = true;
    }
    for (Use &use : uses.items())
        if (const Log *log = find(use.descriptor)) use.file = log->file;
    std::sort(uses.items().begin(), uses.items().end(), [](const Use &a, const Use &b) { return a.file < b.file; });
    return true;
}

bool names_map_program(const ap_directive_t *directive) {
    for (; directive != nullptr; directive = directive->next) {
        if (names_map_program(directive->first_child)) return true;
        if (strcasecmp(directive->directive, "RewriteMap") == 0 && strstr(directive->args, "prg:") != nullptr)
            return true;
    }
    return false;
}

} // namespace

Result find_logs() {
    found.shrink(0);
    uses.shrink(0);
    files.shrink(0);
    place_of.shrink(0);
    shared = false;
    map_programs = names_map_program(ap_conftree); // every birth asks
    note(STDERR_FILENO, ap_server_conf, true);
    if (is_written(STDOUT_FILENO)) note(STDOUT_FILENO, ap_server_conf, false);
    for (const server_rec *server = ap_server_conf; server != nullptr; server = server->next) note_error_log(server);
    const apr_array_header_t *opened = opened_logs();
    for (int i = 0; opened != nullptr && i < opened->nelts; i++) {
        const auto &log = APR_ARRAY_IDX(opened, i, OpenedLog);
        note(log.descriptor, log.server, false);
    }
    if (const Result result = note_all_unknown(); !result.ok()) return result;
    const IdentityKey only = only_identity();
    for (Log &log : found.items())
        if (log.is_servers) log.owner = only; // virtual hosts without logs of their own write there
    const bool has_failed =
        found.has_failed() || uses.has_failed() || files.has_failed() || place_of.has_failed() || !join_same_files();
    return has_failed ? refused(Step::make_logs, ENOMEM) : success;
}

std::span<const Log> logs() { return found.items(); }

bool are_logs_shared() { return shared; }

namespace {

bool may_write_of(const Use &use, IdentityKey identity) {
    if (is_decided(use.server)) return route_identity_of(use.server) == identity;
    return may_be_asked(identity) || grant_rule(use.vhost).takes_ids;
}

} // namespace

bool may_write(const Log &log, IdentityKey identity) {
    if (log.is_servers) return true;
    const auto all = uses.items();
    const auto *use = std::lower_bound(all.data(), all.data() + all.size(), log.file,
                                       [](const Use &one, std::uint32_t file) { return one.file < file; });
    for (; use != all.data() + all.size() && use->file == log.file; use++)
        if (may_write_of(*use, identity)) return true;
    return false;
}

bool has_map_programs() { return map_programs; }

} // namespace itk2::httpd
