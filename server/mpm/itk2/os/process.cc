// What it is: see process.h.
#include "os/process.h"

#include "os/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace itk2::os {

Result arm_parent_death(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return failed(Step::parent_death_signal);
    return verify_parent_death(parent);
}

Result verify_parent_death(pid_t parent) {
    int signal = 0;
    if (prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) != 0) return failed(Step::parent_death_signal);
    if (signal != SIGKILL) return refused(Step::parent_death_signal);
    // Asked for after arming: a parent that died before it sends no signal.
    if (getppid() != parent) return refused(Step::parent_gone);
    return success;
}

Result start_session() {
    if (setsid() < 0) return failed(Step::new_session);
    if (const Result result = verify_session(); !result.ok()) return result;
    return start_keyring();
}

Result verify_session() { return getsid(0) == getpid() ? success : refused(Step::new_session); }

namespace {

// Its number; makes none.
long session_keyring() { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0); }

bool is_unavailable(int error) { return error == ENOSYS || error == EPERM; }

} // namespace

bool has_keyrings() { return session_keyring() >= 0 || !is_unavailable(errno); }

Result start_keyring() {
    if (!has_keyrings()) return success;
    const long inherited = session_keyring();
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0) return failed(Step::new_keyring);
    return verify_keyring(inherited);
}

Result verify_keyring(long not_this) {
    const long own = session_keyring();
    if (own < 0) return failed(Step::new_keyring);
    return own != not_this ? success : refused(Step::new_keyring);
}

Result forbid_dumps() {
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed(Step::set_dumpable);
    return verify_no_dumps();
}

Result verify_no_dumps() {
    const int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    if (dumpable < 0) return failed(Step::set_dumpable);
    return dumpable == 0 ? success : refused(Step::set_dumpable);
}

Result verify_one_thread() {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return failed(Step::verify_proc);
    int count = 0;
    errno = 0;
    while (const dirent *entry = readdir(tasks))
        if (entry->d_name[0] != '.') count++;
    const Result read = errno != 0 ? failed(Step::verify_proc) : success;
    closedir(tasks);
    if (!read.ok()) return read;
    return count == 1 ? success : refused(Step::one_thread);
}

// With autogroups a nice value counts only inside its session; the session has one too (sched(7)). A session that is
// not the process's own is others' as well, and left alone. Kernels and containers without that file have no such groups.
static void set_autogroup_nice(pid_t pid, int nice) {
    if (pid == 0) pid = getpid();
    if (getsid(pid) != pid) return;
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/autogroup", pid);
    const Fd file{open(path, O_WRONLY | O_CLOEXEC)};
    if (!file.is_open()) return;
    char text[8];
    const int length = snprintf(text, sizeof text, "%d", nice);
    [[maybe_unused]] const ssize_t written = write(file.get(), text, static_cast<std::size_t>(length));
}

Result set_nice(pid_t pid, int nice) {
    if (setpriority(PRIO_PROCESS, static_cast<id_t>(pid), nice) != 0) return failed(Step::set_priority);
    set_autogroup_nice(pid, nice);
    return verify_nice(pid, nice);
}

Result verify_nice(pid_t pid, int nice) {
    errno = 0;
    const int seen = getpriority(PRIO_PROCESS, static_cast<id_t>(pid));
    if (seen == -1 && errno != 0) return failed(Step::set_priority);
    return seen == nice ? success : refused(Step::set_priority);
}

bool signal_child(pid_t pid, int number) {
    const Fd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    if (!process.is_open() && errno == ESRCH) return false;
    // Asked for after opening: a child now was the same one then, for only this process could have reaped another.
    siginfo_t unused{};
    if (waitid(P_PID, static_cast<id_t>(pid), &unused, WEXITED | WNOHANG | WNOWAIT) != 0) return false;
    if (process.is_open()) {
        if (syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0) == 0) return true;
        if (errno == ESRCH) return false;
    }
    return kill(pid, number) == 0;
}

namespace {

constexpr std::size_t title_room = 128;

// The fields of /proc/self/stat from start_code on that prctl_mm_map wants back (proc(5) numbers).
constexpr int first_field = 26;
constexpr int last_field = 51;

Result read_memory_map(prctl_mm_map &map) {
    const Fd file{open("/proc/self/stat", O_RDONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(Step::verify_proc);
    char text[2048];
    const ssize_t length = read(file.get(), text, sizeof text - 1);
    if (length <= 0) return failed(Step::verify_proc);
    text[length] = '\0';
    const char *at = strrchr(text, ')'); // the program's name may hold anything
    if (!at) return refused(Step::verify_proc);
    unsigned long long fields[last_field + 1] = {};
    at += 2;
    for (int field = 3; field <= last_field; field++) {
        if (field >= first_field) fields[field] = strtoull(at, nullptr, 10);
        at = strchr(at, ' ');
        if (!at) return refused(Step::verify_proc);
        at++;
    }
    map.start_code = fields[26];
    map.end_code = fields[27];
    map.start_stack = fields[28];
    map.start_data = fields[45];
    map.end_data = fields[46];
    map.start_brk = fields[47];
    map.arg_start = fields[48];
    map.arg_end = fields[49];
    map.env_start = fields[50];
    map.env_end = fields[51];
    map.brk = static_cast<unsigned long long>(syscall(SYS_brk, 0));
    map.exe_fd = UINT32_MAX; // stays
    return success;
}

} // namespace

Result Title::claim() {
    prctl_mm_map map{};
    if (const Result read = read_memory_map(map); !read.ok()) return read;
    void *page = mmap(nullptr, title_room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return failed(Step::map_memory);
    char *const text = static_cast<char *>(page);
    // ps shows an empty command line as a kernel thread's. A last byte other than NUL tells the kernel that the
    // text ends at its first NUL, not at the end of the room.
    memcpy(text, "itk2", sizeof "itk2");
    text[title_room - 1] = ' ';
    map.arg_start = reinterpret_cast<std::uintptr_t>(text);
    map.arg_end = map.arg_start + title_room;
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) != 0) {
        const Result result = failed(Step::map_memory);
        munmap(page, title_room);
        return result;
    }
    page_ = text;
    size_ = title_room - 1;
    return success;
}

void Title::set(const char *role, const char *name) {
    if (!page_) return;
    char text[title_room];
    snprintf(text, size_, name ? "itk2: %s %s" : "itk2: %s", role, name);
    memcpy(page_, text, strlen(text) + 1);
}

} // namespace itk2::os
