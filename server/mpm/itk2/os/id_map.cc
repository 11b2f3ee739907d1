// What it is: see id_map.h.
#include "os/id_map.h"

#include "os/credential_steps.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/signals.h"
#include "os/waiting.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>

namespace itk2::os {

namespace {

// The kernel's limits (user_namespaces(7)). A page may be larger elsewhere; what holds everywhere is 4096.
constexpr std::size_t max_lines = 340;
constexpr std::size_t max_length = 4095;

// Ids that are mapped to themselves, in ascending order, neighbours in one line.
class IdMap {
  public:
    // Ids come in ascending order. False where there are too many lines.
    [[nodiscard]] bool add(std::uint32_t id) {
        if (count_ > 0 && id - ranges_[count_ - 1].first < ranges_[count_ - 1].length) return true;
        if (count_ > 0 && id - ranges_[count_ - 1].first == ranges_[count_ - 1].length) {
            ranges_[count_ - 1].length++;
            return true;
        }
        if (count_ == max_lines) return false;
        ranges_[count_++] = {id, 1};
        return true;
    }

    // Its length; 0 where it has no room.
    [[nodiscard]] std::size_t write_to(std::span<char> text) const {
        std::size_t used = 0;
        for (std::size_t i = 0; i < count_; i++) {
            const auto [first, length] = ranges_[i];
            const int size = snprintf(text.data() + used, text.size() - used, "%u %u %u\n", first, first, length);
            if (size <= 0 || static_cast<std::size_t>(size) >= text.size() - used) return 0;
            used += static_cast<std::size_t>(size);
        }
        return used;
    }

    // All numbers of the map, read line by line: id inside, id around it, how many.
    [[nodiscard]] std::size_t number_count() const { return count_ * 3; }
    [[nodiscard]] std::uint32_t number(std::size_t index) const {
        const Range &range = ranges_[index / 3];
        return index % 3 == 2 ? range.length : range.first;
    }

  private:
    struct Range {
        std::uint32_t first;
        std::uint32_t length;
    };
    std::array<Range, max_lines> ranges_{};
    std::size_t count_ = 0;
};

[[nodiscard]] bool make_gid_map(const Ids &ids, IdMap &map) {
    bool is_gid_in = false;
    for (const gid_t group : ids.groups) {
        if (!is_gid_in && ids.gid <= group) {
            if (!map.add(ids.gid)) return false;
            is_gid_in = true;
        }
        if (!map.add(group)) return false;
    }
    return is_gid_in || map.add(ids.gid);
}

struct MapFile {
    MapFile(pid_t pid, const char *name) {
        if (pid == 0)
            snprintf(path, sizeof path, "/proc/self/%s", name);
        else
            snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    }
    char path[sizeof "/proc//uid_map" + 12];
};

// The kernel takes a map in one write only.
Result write_map(const MapFile &place, const IdMap &map, Step step) {
    char text[max_length + 1];
    const std::size_t length = map.write_to(text);
    if (length == 0) return refused(step, E2BIG);
    const Fd file{open(place.path, O_WRONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(step);
    const ssize_t written = write(file.get(), text, length);
    if (written < 0) return failed(step);
    return static_cast<std::size_t>(written) == length ? success : refused(step);
}

// That the map is this one, line by line.
Result verify_map(const MapFile &place, const IdMap &map) {
    const Fd file{open(place.path, O_RDONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(Step::verify_namespace);
    std::size_t index = 0;
    std::uint64_t value = 0;
    bool in_number = false;
    for (;;) {
        char buffer[1024];
        const ssize_t length = read(file.get(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return failed(Step::verify_namespace);
        if (length == 0) break;
        for (const char c : std::span(buffer, static_cast<std::size_t>(length))) {
            if (c >= '0' && c <= '9') {
                value = value * 10 + static_cast<std::uint64_t>(c - '0');
                if (value > UINT32_MAX) return refused(Step::verify_namespace);
                in_number = true;
            } else if (in_number) {
                if (index == map.number_count() || map.number(index) != value) return refused(Step::verify_namespace);
                index++;
                value = 0;
                in_number = false;
            }
        }
    }
    return index == map.number_count() && !in_number ? success : refused(Step::verify_namespace);
}

Result verify_no_grant() {
    const IdMap empty{};
    if (const Result result = verify_map({0, "uid_map"}, empty); !result.ok()) return result;
    return verify_map({0, "gid_map"}, empty);
}

// In a process of its own, in the new namespace, that shares memory and descriptors with its parent, which waits.
int open_own_namespace(void *opened) {
    *static_cast<int *>(opened) = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    return 0;
}

Result verify_made_by_root(const Fd &name_space) {
    uid_t maker = static_cast<uid_t>(-1);
    if (ioctl(name_space.get(), NS_GET_OWNER_UID, &maker) != 0) return failed(Step::new_namespace);
    return maker == 0 ? success : refused(Step::new_namespace);
}

// A user namespace that nobody is in. Who makes one enters it at once; so another process does, which ends.
Result make_namespace(Fd &name_space) {
    int opened = -1;
    constexpr int flags = CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | CLONE_FILES;
    pid_t pid = -1;
    {
        alignas(64) std::array<char, 65536> stack; // for as long as CLONE_VFORK keeps this process waiting
        const SignalsBlocked blocked;              // no handler is to run on that stack
        pid = clone(open_own_namespace, stack.data() + stack.size(), flags, &opened);
    }
    if (pid < 0) return failed(Step::new_namespace);
    name_space.reset(opened);
    while (waitpid(pid, nullptr, __WCLONE) < 0)
        if (errno != EINTR) return failed(Step::new_namespace);
    if (!name_space.is_open()) return refused(Step::new_namespace);
    return verify_made_by_root(name_space);
}

// From root, with no capability left but the one it takes to enter the namespace.
Result take_account(const Ids &account) {
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed(Step::set_securebits);
    if (const Result result = set_ids(account); !result.ok()) return result;
    return set_capabilities(bit(CAP_SYS_ADMIN));
}

// Entering gives all capabilities inside, the bounding set included, and undoes the secure bits.
Result enter_namespace(const Fd &name_space) {
    if (setns(name_space.get(), CLONE_NEWUSER) != 0) return failed(Step::new_namespace);
    if (const Result result = drop_bounding(); !result.ok()) return result;
    if (const Result result = lock_secure_bits(AtIdChange::drop_capabilities); !result.ok()) return result;
    return set_capabilities(id_changes);
}

} // namespace

Result become_parser(uid_t uid, gid_t gid, pid_t parent) {
    const Ids account{uid, gid, {}};
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    Fd name_space;
    if (const Result result = make_namespace(name_space); !result.ok()) return result;
    if (const Result result = take_account(account); !result.ok()) return result;
    // Opened out here, it goes on to show the real ids.
    const Fd status_file{open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC)};
    if (!status_file.is_open()) return failed(Step::verify_proc);
    if (const Result result = enter_namespace(name_space); !result.ok()) return result;
    if (const Result result = renew_protections(parent); !result.ok()) return result;
    ProcStatus status;
    if (const Result result = read_proc_status(status_file.get(), {}, status); !result.ok()) return result;
    if (const Result result = verify_ids(status, account); !result.ok()) return result;
    if (const Result result = verify_capabilities(status, id_changes); !result.ok()) return result;
    return verify_parser();
}

Result verify_parser() {
    if (const Result result = verify_no_grant(); !result.ok()) return result;
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    // What the kernel calls an id that has no mapping here.
    const Ids unmapped{geteuid(), getegid(), {}};
    if (const Result result = verify_threads(unmapped, id_changes); !result.ok()) return result;
    if (const Result result = verify_secure_bits(); !result.ok()) return result;
    if (const Result result = verify_no_dumps(); !result.ok()) return result;
    for (const unsigned capability : {CAP_SETPCAP, CAP_SYS_ADMIN})
        if (const Result result = verify_no_capability(capability); !result.ok()) return result;
    if (const Result result = verify_no_groups(); !result.ok()) return result;
    if (const Result result = verify_no_gid(0, unmapped.gid, UserNamespace::own); !result.ok()) return result;
    return verify_no_uid(0, unmapped.uid, UserNamespace::own);
}

Result write_grant(pid_t pid, const Ids &ids) {
    IdMap gids;
    if (!make_gid_map(ids, gids)) return refused(Step::write_gid_map, E2BIG);
    IdMap uids;
    (void)uids.add(ids.uid); // one line always fits
    // The uid comes last: until then the parser can make no namespace inside its own.
    if (const Result result = write_map({pid, "gid_map"}, gids, Step::write_gid_map); !result.ok()) return result;
    if (const Result result = write_map({pid, "uid_map"}, uids, Step::write_uid_map); !result.ok()) return result;
    return verify_grant(pid, ids);
}

Result verify_grant(pid_t pid, const Ids &ids) {
    IdMap gids;
    if (!make_gid_map(ids, gids)) return refused(Step::verify_namespace, E2BIG);
    IdMap uids;
    (void)uids.add(ids.uid);
    if (const Result result = verify_map({pid, "gid_map"}, gids); !result.ok()) return result;
    return verify_map({pid, "uid_map"}, uids);
}

Result become_granted(const Ids &ids, pid_t parent) {
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    if (const Result result = verify_grant(0, ids); !result.ok()) return result;
    if (const Result result = set_ids(ids); !result.ok()) return result;
    if (const Result result = set_capabilities(0); !result.ok()) return result;
    if (const Result result = renew_protections(parent); !result.ok()) return result;
    return verify_granted(ids);
}

// A status file shows an id that is not mapped as the overflow id; these may be the very ids. A change of owner to them
// succeeds only for who is them.
static Result verify_not_overflow(const Ids &ids) {
    const Fd file{memfd_create("ids", MFD_CLOEXEC)};
    if (!file.is_open()) return failed(Step::verify_ids);
    return fchown(file.get(), ids.uid, ids.gid) == 0 ? success : failed(Step::verify_ids);
}

Result verify_granted(const Ids &ids) {
    if (const Result result = verify_grant(0, ids); !result.ok()) return result;
    if (const Result result = verify_threads(ids, 0); !result.ok()) return result;
    if (const Result result = verify_not_overflow(ids); !result.ok()) return result;
    if (const Result result = verify_secure_bits(); !result.ok()) return result;
    if (const Result result = verify_no_dumps(); !result.ok()) return result;
    // A group that is mapped can only be refused for want of privilege; others prove less.
    for (const gid_t group : ids.groups)
        if (const Result result = verify_no_gid(group, ids.gid, UserNamespace::initial); !result.ok()) return result;
    const Ids root{0, 0, {}};
    return verify_no_way_back(ids, root, UserNamespace::own);
}

namespace {

constexpr int probe_ms = 10'000;

Result tell(const Fd &link, Result result) {
    return send(link.get(), &result, sizeof result, MSG_NOSIGNAL) >= 0 ? success : failed(Step::send_message);
}

Result hear(const Fd &link) {
    const int ready = await(link.get(), POLLIN, monotonic_ms() + probe_ms);
    if (ready < 0) return failed(Step::receive_message);
    if (ready == 0) return refused(Step::receive_message, ETIMEDOUT);
    Result told;
    const ssize_t length = recv(link.get(), &told, sizeof told, 0);
    if (length < 0) return failed(Step::receive_message);
    const bool is_whole = length == sizeof told && told.step < Step::count_;
    return is_whole ? told : refused(Step::peer_closed);
}

[[noreturn]] void run_probe(const Fd &link, const Ids &account, const Ids &ids, pid_t parent) {
    const Result born = become_parser(account.uid, account.gid, parent);
    if (!tell(link, born).ok() || !born.ok() || !hear(link).ok()) _exit(0);
    (void)tell(link, become_granted(ids, parent)); // if it fails, its end tells
    _exit(0);
}

Result take_through(const Fd &link, pid_t pid, const Ids &ids) {
    if (const Result born = hear(link); !born.ok()) return born;
    if (const Result granted = write_grant(pid, ids); !granted.ok()) return granted;
    const Result again = write_grant(pid, ids);
    if (again.step != Step::write_gid_map || again.error != EPERM) return refused(Step::verify_namespace);
    if (const Result result = tell(link, success); !result.ok()) return result;
    return hear(link);
}

} // namespace

Result probe_parsers(uid_t uid, gid_t gid, const Ids &ids) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failed(Step::make_channel);
    const Fd upper{ends[0]};
    Fd lower{ends[1]};
    const pid_t parent = getpid();
    // The child must not run the server's handlers.
    const SignalsBlocked blocked;
    const pid_t pid = fork();
    if (pid < 0) return failed(Step::fork_child);
    if (pid == 0) run_probe(lower, {uid, gid, {}}, ids, parent);
    lower.reset();
    const Result result = take_through(upper, pid, ids);
    signal_child(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    return result;
}

} // namespace itk2::os
