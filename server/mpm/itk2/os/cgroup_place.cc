// What it is: see cgroup_place.h.
#include "os/cgroup_place.h"

#include "os/cgroup.h"
#include "os/fd.h"
#include "os/text_file.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string_view>

namespace itk2::os {

namespace {

constexpr std::array<std::string_view, controller_count> names = {"memory", "cpu", "pids"};

// The last part of a path, which loses it and the slash before it.
std::string_view take_last(std::string_view &path) {
    const std::size_t slash = path.rfind('/');
    if (slash == path.npos) return {};
    const std::string_view last(path.data() + slash + 1, path.size() - slash - 1);
    path.remove_suffix(last.size() + 1);
    return last;
}

bool has_word(std::string_view text, std::string_view wanted, char separator) {
    while (!text.empty())
        if (take_word(text, separator) == wanted) return true;
    return false;
}

// A line of /proc/self/mountinfo.
struct Mount {
    std::string_view root;
    std::string_view point;
    std::string_view type;
    std::string_view options; // of the file system
};

Mount read_mount(std::string_view line) {
    Mount mount;
    for (int i = 0; i < 3; i++) (void)take_word(line, ' ');
    mount.root = take_word(line, ' ');
    mount.point = take_word(line, ' ');
    while (!line.empty() && take_word(line, ' ') != "-") {}
    mount.type = take_word(line, ' ');
    (void)take_word(line, ' ');
    mount.options = line;
    return mount;
}

// The path that /proc/self/cgroup has for a controller, or, for an empty one, for version 2.
bool own_path(std::string_view cgroups, std::string_view controller, std::string_view &path) {
    while (!cgroups.empty()) {
        std::string_view line = take_word(cgroups, '\n');
        (void)take_word(line, ':');
        const std::string_view controllers = take_word(line, ':');
        path = line;
        if (controller.empty() ? controllers.empty() : has_word(controllers, controller, ',')) return true;
    }
    return false;
}

// A master that is in its own "server" already belongs where that has been made.
std::string_view leave_own(std::string_view path) {
    std::string_view rest = path;
    if (take_last(rest) == cgroup_of_the_server && take_last(rest).starts_with(cgroup_prefix)) return rest;
    return path;
}

Result join(const Mount &mount, std::string_view path, CgroupPath &into) {
    if (mount.root != "/") {
        // The mount shows a part of the hierarchy: the part this process is in, or another one.
        const std::size_t length = mount.root.size();
        const bool is_below = path.starts_with(mount.root) && (path.size() == length || path[length] == '/');
        if (!is_below) return refused(Step::find_cgroup, ENOENT);
        path.remove_prefix(length);
    }
    path = leave_own(path);
    if (path == "/") path = {};
    const int length = snprintf(into.data(), into.size(), "%.*s%.*s", static_cast<int>(mount.point.size()),
                                mount.point.data(), static_cast<int>(path.size()), path.data());
    return static_cast<std::size_t>(length) < into.size() ? success : refused(Step::find_cgroup, ENAMETOOLONG);
}

Result check_writable(const CgroupPath &directory) {
    return access(directory.data(), W_OK) == 0 ? success : failed(Step::find_cgroup);
}

// systemd changes what is not delegated as it likes, and says by an attribute what is. Without systemd nobody does.
Result check_delegated(const CgroupPath &directory) {
    if (access("/run/systemd/system", F_OK) != 0) return success;
    for (const char *name : {"trusted.delegate", "user.delegate"}) {
        char value[4] = "";
        if (getxattr(directory.data(), name, value, sizeof value) == 1 && value[0] == '1') return success;
    }
    return refused(Step::delegate_cgroup, EPERM);
}

bool has_controllers(const CgroupPath &directory, Controllers wanted) {
    CgroupPath path;
    const int length = snprintf(path.data(), path.size(), "%s/cgroup.controllers", directory.data());
    if (static_cast<std::size_t>(length) >= path.size()) return false;
    TextFile file;
    if (!file.read(path.data(), Step::find_cgroup).ok()) return false;
    std::string_view text = file.text();
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    for (std::size_t place = 0; place < controller_count; place++)
        if ((wanted >> place & 1) != 0 && !has_word(text, names[place], ' ')) return false;
    return true;
}

class Search {
  public:
    explicit Search(Controllers wanted) : wanted_(wanted) {}

    Result run(CgroupPlace &into) {
        Result result = cgroups_.read("/proc/self/cgroup", Step::find_cgroup);
        if (result.ok()) result = mounts_.read("/proc/self/mountinfo", Step::find_cgroup);
        if (!result.ok()) return result;
        if (find_unified(into).ok()) return check_all(into);
        into = {};
        result = find_separate(into);
        return result.ok() ? check_all(into) : result;
    }

  private:
    Result find_unified(CgroupPlace &into) {
        std::string_view path;
        if (!own_path(cgroups_.text(), "", path)) return refused(Step::find_cgroup, ENOENT);
        for (std::string_view rest = mounts_.text(); !rest.empty();) {
            const Mount mount = read_mount(take_word(rest, '\n'));
            CgroupPath directory;
            if (mount.type != "cgroup2" || !join(mount, path, directory).ok()) continue;
            if (!has_controllers(directory, wanted_)) continue;
            into.is_unified = true;
            into.below.fill(directory);
            return success;
        }
        return refused(Step::find_cgroup, ENOENT);
    }

    Result find_separate(CgroupPlace &into) {
        for (std::size_t place = 0; place < controller_count; place++) {
            if ((wanted_ >> place & 1) == 0) continue;
            if (const Result result = find_one(names[place], into.below[place]); !result.ok()) return result;
        }
        return success;
    }

    Result find_one(std::string_view controller, CgroupPath &into) {
        std::string_view path;
        if (!own_path(cgroups_.text(), controller, path)) return refused(Step::find_cgroup, ENOENT);
        for (std::string_view rest = mounts_.text(); !rest.empty();) {
            const Mount mount = read_mount(take_word(rest, '\n'));
            if (mount.type == "cgroup" && has_word(mount.options, controller, ',') && join(mount, path, into).ok())
                return success;
        }
        return refused(Step::find_cgroup, ENOENT);
    }

    Result check_all(const CgroupPlace &place) {
        for (std::size_t i = 0; i < controller_count; i++) {
            if ((wanted_ >> i & 1) == 0) continue;
            if (const Result result = check_writable(place.below[i]); !result.ok()) return result;
            if (!place.is_unified) continue;
            if (const Result result = check_delegated(place.below[i]); !result.ok()) return result;
        }
        return success;
    }

    Controllers wanted_;
    TextFile cgroups_;
    TextFile mounts_;
};

} // namespace

const char *controller_name(std::size_t place) { return names[place].data(); }

Result find_cgroup_place(Controllers wanted, CgroupPlace &into) {
    into = {};
    return Search(wanted).run(into);
}

} // namespace itk2::os
