// Claims about how the listener program starts, and whom it does not outlive.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

using namespace itk2;
using namespace itk2::testing;

namespace {

struct Ended {
    int status;
    std::string said;
};

std::string read_all(int fd) {
    std::string all;
    char buffer[512];
    for (ssize_t length; (length = read(fd, buffer, sizeof buffer)) > 0;)
        all.append(buffer, static_cast<std::size_t>(length));
    return all;
}

// Runs the program as the test's own account, with these arguments.
Ended run(const char *number, const char *parent) {
    int pipe_ends[2];
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    const char *path = std::getenv("ITK2_LISTENER");
    assert_non_null(path);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        execl(path, "itk2-listener", number, parent, nullptr);
        _exit(98);
    }
    close(pipe_ends[1]);
    const std::string said = read_all(pipe_ends[0]);
    close(pipe_ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), said};
}

std::string file(pid_t pid, const char *name) {
    const os::Fd opened(open(("/proc/" + std::to_string(pid) + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    return read_all(opened.get());
}

void uid_0_is_refused(void **) {
    if (geteuid() != 0) {
        std::printf("skipped: needs root\n");
        skip();
    }
    const Ended ended = run("0", std::to_string(getpid()).c_str());
    assert_int_equal(ended.status, 70);
    assert_true(ended.said.find("itk2-listener: cannot start: step verify-ids failed") != std::string::npos);
}

void another_parent_is_refused(void **) {
    const Ended ended = run("0", std::to_string(getpid() + 1).c_str());
    assert_int_equal(ended.status, 70);
    assert_true(ended.said.find("step parent-gone failed") != std::string::npos);
}

void wrong_arguments_are_refused(void **) {
    assert_int_equal(run("zero", "1").status, 72);
    assert_int_equal(run("0", "-1").status, 72);
    assert_int_equal(run("0", nullptr).status, 72);
}

void title_names_the_listener(void **) {
    FakeMaster master;
    master.configure({});
    const std::string line = file(master.pid(), "cmdline");
    assert_text(line, "itk2: listener 0");
}

void no_capability_is_held(void **) {
    FakeMaster master;
    master.configure({});
    const std::string status = file(master.pid(), "status");
    for (const char *set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
        assert_true(status.find(std::string(set) + ":\t0000000000000000") != std::string::npos);
}

void listener_dies_with_its_master(void **) {
    int pipe_ends[2];
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    const pid_t middle = fork();
    if (middle == 0) {
        FakeMaster master;
        master.configure({});
        const pid_t pid = master.pid();
        if (write(pipe_ends[1], &pid, sizeof pid) == sizeof pid) pause();
        _exit(1);
    }
    pid_t pid = 0;
    assert_int_equal(read(pipe_ends[0], &pid, sizeof pid), sizeof pid);
    kill(middle, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(middle, &status, 0), middle);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    int waited = 0;
    const auto is_alive = [&] {
        const std::string stat = file(pid, "stat");
        const std::size_t state = stat.rfind(") ");
        return state != std::string::npos && stat[state + 2] != 'Z' && stat[state + 2] != 'X';
    };
    while (is_alive() && waited < wait_ms) waited += 5 + poll(nullptr, 0, 5);
    assert_false(is_alive());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(uid_0_is_refused),
        cmocka_unit_test(another_parent_is_refused),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(title_names_the_listener),
        cmocka_unit_test(no_capability_is_held),
        cmocka_unit_test(listener_dies_with_its_master),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
