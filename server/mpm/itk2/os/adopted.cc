// What it is: see adopted.h.
#include "os/adopted.h"

#include "os/fd.h"
#include "os/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace itk2::os {

Result adopt_orphans() {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return failed(Step::adopt_orphans);
    return verify_adopting();
}

Result verify_adopting() {
    int adopting = 0;
    if (prctl(PR_GET_CHILD_SUBREAPER, &adopting, 0, 0, 0) != 0) return failed(Step::adopt_orphans);
    return adopting == 1 ? success : refused(Step::adopt_orphans);
}

namespace {

struct Seen {
    char state = 'X';
    int parent = 0;
    int session = 0;
};

// False where it is gone: others end at any time.
bool look_at(const char *pid, Seen &seen) {
    char path[sizeof "/proc//stat" + 16];
    snprintf(path, sizeof path, "/proc/%.15s/stat", pid);
    const Fd file{open(path, O_RDONLY | O_CLOEXEC)};
    if (!file.is_open()) return false;
    char text[512];
    const ssize_t length = read(file.get(), text, sizeof text - 1);
    if (length <= 0) return false;
    text[length] = '\0';
    const char *name_end = strrchr(text, ')'); // the program's name may hold anything
    int group = 0;
    return name_end != nullptr &&
           sscanf(name_end + 1, " %c %d %d %d", &seen.state, &seen.parent, &group, &seen.session) == 4;
}

} // namespace

Result kill_adopted(std::uint32_t &count) {
    count = 0;
    DIR *processes = opendir("/proc");
    if (!processes) return failed(Step::verify_proc);
    const pid_t own = getpid();
    const pid_t session = getsid(0);
    errno = 0;
    while (const dirent *entry = readdir(processes)) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        Seen seen;
        if (look_at(entry->d_name, seen) && seen.parent == own && seen.session != session && seen.state != 'Z') {
            signal_child(static_cast<pid_t>(atoi(entry->d_name)), SIGKILL);
            count++;
        }
        errno = 0;
    }
    const Result read = errno != 0 ? failed(Step::verify_proc) : success;
    closedir(processes);
    return read;
}

} // namespace itk2::os
