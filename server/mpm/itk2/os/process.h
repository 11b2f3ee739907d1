// What it is: what a process is to its parent, its session and whoever looks at it: parent-death signal, session,
// dumps, threads, nice value, signals, title.
// Every setter has its verifier under it; a setter that returns success has called it.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <cstddef>

namespace itk2::os {

// Has the kernel kill this process (SIGKILL) when `parent` dies; more exactly, when the thread that forked it does.
// Call it again after every change of ids, which undoes it; exec doesn't. Step parent_death_signal; parent_gone where `parent` is the parent no more.
Result arm_parent_death(pid_t parent);
Result verify_parent_death(pid_t parent);

// Makes this process the leader of a session of its own, without a terminal, and with a session keyring of its own.
// Needs: not to lead a process group, as a forked child doesn't. Steps new_session, new_keyring.
Result start_session();
Result verify_session();

// Leaves the keyring that this process was born with: whoever is in it reads its keys, whatever his uid, and root's
// login may have put its own there. Call it as root: each user may have few keyrings. Where the kernel has no keyctl, or
// a filter hides it, nobody reads keys, and it succeeds. Step new_keyring: ENOMEM, EDQUOT.
Result start_keyring();
// That the session keyring is not this one. Step new_keyring.
Result verify_keyring(long not_this);
// Whether keyctl can be called here.
bool has_keyrings();

// No core dump, no ptrace and no /proc/PID/mem by processes of the same uid. Undone by a change of ids and by exec.
// Step set_dumpable.
Result forbid_dumps();
Result verify_no_dumps();

// That this process has no other thread: one would keep the capabilities this one drops. Step one_thread, error 0
// where there is another; verify_proc where /proc can't tell.
Result verify_one_thread();

// Sets the nice value of a process that has a single thread; and of its session, where it leads one. Needs CAP_SYS_NICE for another uid's process or to go
// down. `pid`: 0 is the caller; else a child not yet reaped. Step set_priority.
Result set_nice(pid_t pid, int nice);
Result verify_nice(pid_t pid, int nice);

// Sends `number` to one child that has not been reaped, through a descriptor of the process (pidfd); with its number,
// which nobody else can have as long as it is not reaped, where the kernel or a filter has no such descriptors, or none
// is left. False, and nobody gets it: errno is ESRCH where there is no such process, ECHILD where it is another's.
bool signal_child(pid_t pid, int number);

// The command line that ps shows: "itk2: spare", "itk2: worker alice". The name of the program (comm) stays, for
// tools that look for httpd by it. httpd keeps pointers into its arguments (<IfDefine>, syslog's ident), so those
// are left as they are: the kernel is pointed at a page of our own.
class Title {
  public:
    // Takes the command line's place, empty so far. Wants CAP_SYS_RESOURCE, or a kernel with checkpoint/restore.
    // Step map_memory. A process that can't have a title works without: set() does nothing then.
    Result claim();
    // Shows `itk2: role` or `itk2: role name`, cut where it is too long. `name` may be null. No privilege, no call.
    void set(const char *role, const char *name = nullptr);

  private:
    char *page_ = nullptr; // lives as long as the process
    std::size_t size_ = 0;
};

} // namespace itk2::os
