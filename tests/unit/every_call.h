// What it is: makes the n-th system call of a process fail, or claim success without doing anything; and stops the
// process when it is done, for its end to be judged.
#pragma once

#include "in_child.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <iterator>

class EveryCall {
  public:
    enum class Ended : std::uint8_t { never_reached, failed, died, succeeded };

    // Runs `body`, which answers a Result, in a child whose n-th call answers `error` (0: says that it worked).
    // `judge` is given the pid of a child whose body has succeeded all the same. never_reached: it makes fewer calls.
    // `at_pause` is given the pid when the child calls pause(), and may act on it.
    template <typename Body, typename Judge, typename AtPause>
    static Ended run(int nth, int error, Body body, Judge judge, AtPause at_pause) {
        void *memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        claim(memory != MAP_FAILED, "mmap");
        auto &shared = *new (memory) Shared;
        const pid_t pid = fork();
        claim(pid >= 0, "fork");
        if (pid == 0) {
            // It is to fail; what it says then is of no use.
            claim(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) == STDERR_FILENO, "dup2");
            // cmocka's would go on with the tests, here.
            for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS}) signal(number, SIG_DFL);
            shared.notifier = watch_calls();
            pause(); // until the one above listens
            close(shared.notifier);
            shared.result = body();
            shared.is_done = true;
            while (pause() < 0 && errno == EINTR) {} // ENOSYS: the one above has died
            _exit(0);
        }
        const Ended ended = attend(shared, pid, nth, error, judge, at_pause);
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        munmap(memory, sizeof(Shared));
        return ended;
    }

  private:
    struct Shared {
        std::atomic<int> notifier{-2};
        std::atomic<bool> is_done{false};
        itk2::Result result;
    };

    static int watch_calls() {
        constexpr auto number = offsetof(seccomp_data, nr);
        // A process that could not end would prove nothing.
        sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 3, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        sock_fprog program{std::size(filter), filter};
        return static_cast<int>(
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    }

    template <typename Judge, typename AtPause>
    static Ended attend(Shared &shared, pid_t pid, int nth, int error, Judge judge, AtPause at_pause) {
        while (shared.notifier == -2) usleep(100);
        claim(shared.notifier >= 0, "seccomp");
        const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
        const int notifier = static_cast<int>(syscall(SYS_pidfd_getfd, process, shared.notifier.load(), 0));
        claim(process >= 0 && notifier >= 0, "pidfd");
        close(process);
        int count = -2; // the first pause and close are not the body's
        Ended ended = Ended::died;
        for (;;) {
            pollfd watched{notifier, POLLIN, 0};
            claim(poll(&watched, 1, 20'000) == 1, "a call within 20 seconds");
            if ((watched.revents & POLLIN) == 0) break;
            seccomp_notif call{};
            if (ioctl(notifier, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
            if (shared.is_done) {
                ended = count < nth ? Ended::never_reached : Ended::failed;
                if (shared.result.ok()) judge(pid);
                if (shared.result.ok() && count >= nth) ended = Ended::succeeded;
                break;
            }
            seccomp_notif_resp answer{};
            answer.id = call.id;
            if (count < 0 && call.data.nr == SYS_pause)
                count = -1;
            else if (count >= 0 && call.data.nr == SYS_pause)
                at_pause(pid);
            else if (++count > 0 && count == nth)
                answer.error = -error;
            else
                answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            ioctl(notifier, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
        close(notifier);
        return ended;
    }
};
