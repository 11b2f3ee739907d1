// What it is: every step that can fail, and its name in the log; OPERATIONS.md says what to do about each.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace itk2 {

enum class Step : std::uint8_t {
    none,
    make_channel,
    send_message,
    receive_message,
    peer_closed,
    protocol,
    make_memfd,
    seal_memfd,
    map_memory,
    read_route_table,
    file_trust,
    fork_child,
    start_program,
    parent_death_signal,
    parent_gone,
    new_session,
    new_keyring,
    set_dumpable,
    one_thread,
    set_groups,
    set_gid,
    set_uid,
    set_securebits,
    drop_bounding,
    set_capabilities,
    verify_ids,
    verify_groups,
    verify_capabilities,
    verify_no_way_back,
    verify_proc,
    set_priority,
    make_poller,
    watch_descriptor,
    child_init,
    close_descriptors,
    new_namespace,
    verify_namespace,
    write_gid_map,
    write_uid_map,
    adopt_orphans,
    verify_allowance,
    make_folder,
    find_segments,
    copy_segments,
    map_segments,
    verify_segments,
    make_logs,
    hide_files,
    filter_calls,
    forbid_new_privileges,
    offer_memory,
    limit_files,
    find_cgroup,
    delegate_cgroup,
    make_cgroup,
    limit_cgroup,
    enter_cgroup,
    end_cgroup,
    remove_cgroup,
    count_
};

// clang-format off
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Step::count_)> step_names = {
    "none",
    "make-channel",
    "send-message",
    "receive-message",
    "peer-closed",
    "protocol",
    "make-memfd",
    "seal-memfd",
    "map-memory",
    "read-route-table",
    "file-trust",
    "fork-child",
    "start-program",
    "parent-death-signal",
    "parent-gone",
    "new-session",
    "new-keyring",
    "set-dumpable",
    "one-thread",
    "set-groups",
    "set-gid",
    "set-uid",
    "set-securebits",
    "drop-bounding",
    "set-capabilities",
    "verify-ids",
    "verify-groups",
    "verify-capabilities",
    "verify-no-way-back",
    "verify-proc",
    "set-priority",
    "make-poller",
    "watch-descriptor",
    "child-init",
    "close-descriptors",
    "new-namespace",
    "verify-namespace",
    "write-gid-map",
    "write-uid-map",
    "adopt-orphans",
    "verify-allowance",
    "make-folder",
    "find-segments",
    "copy-segments",
    "map-segments",
    "verify-segments",
    "make-logs",
    "hide-files",
    "filter-calls",
    "forbid-new-privileges",
    "offer-memory",
    "limit-files",
    "find-cgroup",
    "delegate-cgroup",
    "make-cgroup",
    "limit-cgroup",
    "enter-cgroup",
    "end-cgroup",
    "remove-cgroup",
};
// clang-format on

// The step's name: a literal, NUL-terminated.
constexpr const char *step_name(Step step) {
    return step < Step::count_ ? step_names[static_cast<std::size_t>(step)].data() : "unknown";
}

static_assert([] {
    for (const std::string_view name : step_names)
        if (name.empty()) return false;
    return true;
}());

} // namespace itk2
