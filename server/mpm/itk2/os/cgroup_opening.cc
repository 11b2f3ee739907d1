// What it is: see cgroup.h: the server's own directory: made, entered, left, removed; and those that others have left.
#include "os/cgroup.h"
#include "os/cgroup_tree.h"
#include "os/clock.h"
#include "os/text_file.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace itk2::os {

namespace {

constexpr std::int64_t others_patience_ms = 5000;
constexpr int most_generations = 16;

struct Parentage {
    bool has_ended = false; // and was not reaped yet
    pid_t parent = 0;
    std::uint64_t started = 0; // in the kernel's ticks
};

// False where there is no such process.
bool read_parentage(pid_t pid, Parentage &into) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    TextFile file;
    if (!file.read(path, Step::verify_proc).ok()) return false;
    std::string_view rest = file.text();
    const std::size_t end = rest.rfind(')'); // the program's name may hold anything
    if (end == rest.npos || end + 2 > rest.size()) return false;
    rest.remove_prefix(end + 2);
    for (int field = 3; field <= 22; field++) {
        const std::string_view word = take_word(rest, ' ');
        if (field == 3) into.has_ended = word == "Z" || word == "X";
        if (field == 4) into.parent = static_cast<pid_t>(leading_number(word));
        if (field == 22) into.started = leading_number(word);
    }
    return true;
}

bool is_own(pid_t pid) {
    for (int generation = 0; generation < most_generations && pid > 1; generation++) {
        if (pid == getpid()) return true;
        Parentage parentage;
        if (!read_parentage(pid, parentage)) return false;
        pid = parentage.parent;
    }
    return false;
}

// Of the directory the server's is made in, or of the server's; no file: the directory itself.
enum class Level : std::uint8_t { below, server };

Result file_of(const Cgroups &cgroups, std::size_t place, Level level, const char *file, CgroupPath &path) {
    const char *const below = cgroups.place.below[place].data();
    const bool is_below = level == Level::below;
    const int length =
        snprintf(path.data(), path.size(), "%s%s%s%s%s", below, is_below ? "" : "/",
                 is_below ? "" : cgroups.name.data(), file == nullptr ? "" : "/", file == nullptr ? "" : file);
    return static_cast<std::size_t>(length) < path.size() ? success : refused(Step::make_cgroup, ENAMETOOLONG);
}

Result make_own(const Cgroups &cgroups) {
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        CgroupPath path;
        if (const Result result = file_of(cgroups, place, Level::server, nullptr, path); !result.ok()) return result;
        if (mkdir(path.data(), 0755) != 0 && errno != EEXIST) return failed(Step::make_cgroup);
    }
    return make_cgroup(cgroups, cgroup_of_the_server);
}

// This process, and what it has started, from the directory `from` to the one of `to`. `others`: who else is there.
Result move_own(const char *from, const char *to, std::size_t &others) {
    // Not by the list: version 1 cuts that where others fork meanwhile.
    if (const Result result = write_text(to, "0", Step::enter_cgroup); !result.ok()) return result;
    TextFile members;
    if (const Result result = members.read(from, Step::enter_cgroup); !result.ok()) return result;
    others = 0;
    for (std::string_view rest = members.text(); !rest.empty();) {
        const std::string_view number = take_word(rest, '\n');
        if (!is_own(static_cast<pid_t>(leading_number(number)))) {
            others++;
            continue;
        }
        const Result result = write_text(to, number, Step::enter_cgroup);
        if (!result.ok() && result.error != ESRCH) return result; // ESRCH: it has ended
    }
    return success;
}

// The root of all cgroups may hold processes beside directories with controllers; it alone has no such file.
bool may_hold_both(const Cgroups &cgroups) {
    CgroupPath path;
    return !cgroups.place.is_unified ||
           (file_of(cgroups, 0, Level::below, "cgroup.events", path).ok() && access(path.data(), F_OK) != 0);
}

// What has started this process (apachectl, say) may need a moment to leave.
Result move_in(const Cgroups &cgroups, std::size_t place) {
    CgroupPath from;
    CgroupPath to;
    Result result = file_of(cgroups, place, Level::below, "cgroup.procs", from);
    if (result.ok()) result = cgroup_file(cgroups, place, cgroup_of_the_server, "cgroup.procs", to);
    const std::int64_t deadline = monotonic_ms() + others_patience_ms;
    while (result.ok()) {
        std::size_t others = 0;
        result = move_own(from.data(), to.data(), others);
        if (!result.ok() || others == 0 || may_hold_both(cgroups)) break;
        if (monotonic_ms() >= deadline) result = refused(Step::delegate_cgroup, EBUSY);
        sleep_briefly();
    }
    return result;
}

bool has_all(std::string_view list, Controllers wanted) {
    Controllers found = 0;
    while (!list.empty()) {
        std::string_view word = take_word(list, ' ');
        if (word.ends_with('\n')) word.remove_suffix(1);
        for (std::size_t place = 0; place < controller_count; place++)
            if (word == controller_name(place)) found = static_cast<Controllers>(found | 1U << place);
    }
    return (found & wanted) == wanted;
}

// Version 2: lets the directories within have these controllers, or have them no more.
Result switch_controllers(const Cgroups &cgroups, Level level, char sign) {
    CgroupPath path;
    if (const Result result = file_of(cgroups, 0, level, "cgroup.subtree_control", path); !result.ok()) return result;
    char text[32] = "";
    for (std::size_t place = 0; place < controller_count; place++)
        if ((cgroups.controllers >> place & 1) != 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%c%s ", sign, controller_name(place));
    if (const Result result = write_text(path.data(), text, Step::make_cgroup); !result.ok()) return result;
    if (sign == '-') return success;
    TextFile file;
    if (const Result result = file.read(path.data(), Step::make_cgroup); !result.ok()) return result;
    return has_all(file.text(), cgroups.controllers) ? success : refused(Step::make_cgroup);
}

// Listener and master come first: no pool is served without them.
Result prefer_own(const Cgroups &cgroups) {
    if ((cgroups.controllers & cpu_controller) == 0) return success;
    constexpr std::size_t cpu_place = 1;
    CgroupPath path;
    const bool is_2 = cgroups.place.is_unified;
    const Result result =
        cgroup_file(cgroups, cpu_place, cgroup_of_the_server, is_2 ? "cpu.weight" : "cpu.shares", path);
    return result.ok() ? write_text(path.data(), is_2 ? "10000" : "102400", Step::limit_cgroup) : result;
}

Result open_all(const Cgroups &cgroups) {
    Result result = make_own(cgroups);
    for (std::size_t place = 0; result.ok() && place < controller_count; place++)
        if (is_hierarchy(cgroups, place)) result = move_in(cgroups, place);
    if (result.ok() && cgroups.place.is_unified) result = switch_controllers(cgroups, Level::below, '+');
    if (result.ok() && cgroups.place.is_unified) result = switch_controllers(cgroups, Level::server, '+');
    if (result.ok()) result = prefer_own(cgroups);
    return result.ok() ? verify_in_cgroup(cgroups, cgroup_of_the_server, getpid()) : result;
}

// Every directory in this one, by its name.
template <typename Visit> void for_each_directory(const char *directory, Visit visit) {
    DIR *listed = opendir(directory);
    if (listed == nullptr) return;
    while (const dirent *entry = readdir(listed)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        CgroupPath path;
        const int length = snprintf(path.data(), path.size(), "%s/%s", directory, entry->d_name);
        if (static_cast<std::size_t>(length) < path.size()) visit(path.data(), entry->d_name);
    }
    closedir(listed);
}

// Pools, and nothing deeper: nobody but the server makes directories there.
Result remove_server(const char *directory) {
    Result first = success;
    for_each_directory(directory, [&](const char *inner, const char *) {
        Result result = end_members(inner);
        if (result.ok()) result = remove_directory(inner);
        if (first.ok()) first = result;
    });
    return first.ok() ? remove_directory(directory) : first;
}

Result close_one(const Cgroups &cgroups, std::size_t place) {
    CgroupPath directory;
    CgroupPath from;
    CgroupPath to;
    Result result = file_of(cgroups, place, Level::server, nullptr, directory);
    if (result.ok()) result = cgroup_file(cgroups, place, cgroup_of_the_server, "cgroup.procs", from);
    if (result.ok()) result = file_of(cgroups, place, Level::below, "cgroup.procs", to);
    if (!result.ok()) return result;
    for_each_directory(directory.data(), [&](const char *inner, const char *name) {
        if (strcmp(name, cgroup_of_the_server) == 0) return; // this process is in it
        Result removed = end_members(inner);
        if (removed.ok()) removed = remove_directory(inner);
        if (result.ok()) result = removed;
    });
    // Version 2 lets nobody into a directory whose own ones have controllers.
    if (result.ok() && cgroups.place.is_unified) result = switch_controllers(cgroups, Level::server, '-');
    if (result.ok() && cgroups.place.is_unified) result = switch_controllers(cgroups, Level::below, '-');
    if (!result.ok()) return result;
    std::size_t others = 0; // ended with the rest
    result = move_own(from.data(), to.data(), others);
    return result.ok() ? remove_server(directory.data()) : result;
}

// "itk2-PID-START" of a process that is there no more.
bool is_abandoned(const char *name) {
    std::string_view rest = name;
    if (!rest.starts_with(cgroup_prefix)) return false;
    rest.remove_prefix(strlen(cgroup_prefix));
    const auto pid = static_cast<pid_t>(leading_number(take_word(rest, '-')));
    Parentage parentage;
    if (pid <= 0 || pid == getpid() || rest.empty()) return false;
    // What can't be looked at is not said to be gone.
    if (!read_parentage(pid, parentage)) return kill(pid, 0) != 0 && errno == ESRCH;
    return parentage.has_ended || parentage.started != leading_number(rest);
}

} // namespace

Result open_cgroups(Controllers wanted, Cgroups &cgroups) {
    Cgroups next = cgroups;
    next.controllers = static_cast<Controllers>(cgroups.controllers | wanted);
    if (next.controllers == 0) return success;
    if (const Result result = find_cgroup_place(next.controllers, next.place); !result.ok()) return result;
    Parentage own;
    if (!read_parentage(getpid(), own)) return refused(Step::verify_proc);
    snprintf(next.name.data(), next.name.size(), "%s%d-%llu", cgroup_prefix, getpid(),
             static_cast<unsigned long long>(own.started));
    const bool is_new = cgroups.controllers == 0;
    const Result result = open_all(next);
    if (result.ok())
        cgroups = next;
    else if (is_new)
        (void)close_cgroups(next);
    return result;
}

Result close_cgroups(Cgroups &cgroups) {
    Result first = success;
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        const Result result = close_one(cgroups, place);
        if (first.ok()) first = result;
    }
    cgroups = {};
    return first;
}

void remove_abandoned_cgroups(const Cgroups &cgroups) {
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        for_each_directory(cgroups.place.below[place].data(), [](const char *directory, const char *name) {
            if (is_abandoned(name)) (void)remove_server(directory);
        });
    }
}

} // namespace itk2::os
