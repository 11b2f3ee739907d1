// What it is: see cgroup_tree.h.
#include "os/cgroup_tree.h"

#include "os/clock.h"
#include "os/fd.h"
#include "os/text_file.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace itk2::os {

namespace {

constexpr std::int64_t end_patience_ms = 5000;
constexpr mode_t for_all_to_see = 0755;

Result file_in(const char *directory, const char *file, CgroupPath &path) {
    const int length = snprintf(path.data(), path.size(), "%s/%s", directory, file);
    return static_cast<std::size_t>(length) < path.size() ? success : refused(Step::make_cgroup, ENAMETOOLONG);
}

// Whether a line of /proc/PID/cgroup is about this controller; version 2's names none.
bool is_about(std::string_view controllers, const Cgroups &cgroups, std::size_t place) {
    if (cgroups.place.is_unified) return controllers.empty();
    while (!controllers.empty())
        if (take_word(controllers, ',') == controller_name(place)) return true;
    return false;
}

Result read_cgroups_of(pid_t pid, TextFile &file) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    return file.read(path, Step::enter_cgroup);
}

// The last two parts of a directory's path: as much of it as /proc shows from any cgroup namespace.
std::string_view tail_of(std::string_view directory) {
    const std::size_t last = directory.rfind('/');
    const std::size_t before = last == directory.npos || last == 0 ? directory.npos : directory.rfind('/', last - 1);
    if (before == directory.npos) return directory;
    directory.remove_prefix(before);
    return directory;
}

bool is_in(const char *directory, pid_t pid) {
    TextFile file;
    if (!read_cgroups_of(pid, file).ok()) return false;
    for (std::string_view rest = file.text(); !rest.empty();)
        if (take_word(rest, '\n').ends_with(tail_of(directory))) return true;
    return false;
}

// The number can't be another process's meanwhile: that one would not be in there.
void kill_member(const char *directory, pid_t pid) {
    const Fd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    if (process.is_open() && is_in(directory, pid)) syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

// With one call where the kernel has it (5.14); else one by one, while none can fork, if forks are counted there.
void kill_members(const char *directory, std::string_view members) {
    CgroupPath path;
    if (file_in(directory, "cgroup.kill", path).ok() && write_text(path.data(), "1", Step::end_cgroup).ok()) return;
    if (file_in(directory, "pids.max", path).ok()) (void)write_text(path.data(), "0", Step::end_cgroup);
    while (!members.empty()) kill_member(directory, static_cast<pid_t>(leading_number(take_word(members, '\n'))));
}

} // namespace

Result cgroup_file(const Cgroups &cgroups, std::size_t place, const char *inner, const char *file, CgroupPath &path) {
    const int length = snprintf(path.data(), path.size(), "%s/%s/%s%s%s", cgroups.place.below[place].data(),
                                cgroups.name.data(), inner, file == nullptr ? "" : "/", file == nullptr ? "" : file);
    return static_cast<std::size_t>(length) < path.size() ? success : refused(Step::make_cgroup, ENAMETOOLONG);
}

Result make_cgroup(const Cgroups &cgroups, const char *inner) {
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        CgroupPath path;
        if (const Result result = cgroup_file(cgroups, place, inner, nullptr, path); !result.ok()) return result;
        if (mkdir(path.data(), for_all_to_see) != 0 && errno != EEXIST) return failed(Step::make_cgroup);
    }
    return success;
}

Result enter_cgroup(const Cgroups &cgroups, const char *inner, pid_t pid) {
    char number[16];
    snprintf(number, sizeof number, "%d", pid);
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        CgroupPath path;
        Result result = cgroup_file(cgroups, place, inner, "cgroup.procs", path);
        if (result.ok()) result = write_text(path.data(), number, Step::enter_cgroup);
        if (!result.ok()) return result;
    }
    return verify_in_cgroup(cgroups, inner, pid);
}

Result verify_in_cgroup(const Cgroups &cgroups, const char *inner, pid_t pid) {
    TextFile file;
    if (const Result result = read_cgroups_of(pid, file); !result.ok()) return result;
    CgroupPath directory;
    snprintf(directory.data(), directory.size(), "/%s/%s", cgroups.name.data(), inner);
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        bool is_there = false;
        for (std::string_view rest = file.text(); !rest.empty();) {
            std::string_view line = take_word(rest, '\n');
            (void)take_word(line, ':');
            if (is_about(take_word(line, ':'), cgroups, place)) is_there = line.ends_with(directory.data());
        }
        if (!is_there) return refused(Step::enter_cgroup);
    }
    return success;
}

Result end_members(const char *directory) {
    CgroupPath path;
    if (const Result result = file_in(directory, "cgroup.procs", path); !result.ok()) return result;
    const std::int64_t deadline = monotonic_ms() + end_patience_ms;
    for (;;) {
        TextFile members;
        const Result result = members.read(path.data(), Step::end_cgroup);
        if (!result.ok()) return result.error == ENOENT ? success : result;
        if (members.text().empty()) return success;
        if (monotonic_ms() >= deadline) return refused(Step::end_cgroup, EBUSY);
        kill_members(directory, members.text());
        sleep_briefly();
    }
}

Result remove_directory(const char *directory) {
    return rmdir(directory) == 0 || errno == ENOENT ? success : failed(Step::remove_cgroup);
}

} // namespace itk2::os
