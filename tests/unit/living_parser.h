// What it is: processes that live beside their test: a parser, in two turns, before and after its grant; and others.
#pragma once

#include "in_child.h"

#include "os/fd.h"
#include "os/id_map.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>
#include <csignal>

inline constexpr uid_t parser_uid = 64801;
inline constexpr gid_t parser_gid = 64802;
inline constexpr uid_t user = 64803;
inline constexpr gid_t group = 64804;
inline constexpr std::array<gid_t, 4> groups = {40, 41, 64804, 64805};
inline const itk2::os::Ids alice{user, group, groups};

inline constexpr auto nothing = [] {
};

class LivingParser {
  public:
    // Becomes a parser and does `first`; then, told to go on, `second`; then, told so, ends. A claim that does not hold
    // ends it, and the test with it.
    template <typename First, typename Second> LivingParser(First first, Second second) {
        int ends[2];
        claim(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
        link_.reset(ends[0]);
        pid_ = fork();
        claim(pid_ >= 0, "fork");
        if (pid_ == 0) {
            link_.reset(ends[1]);
            claim_ok(itk2::os::become_parser(parser_uid, parser_gid, getppid()));
            first();
            take_turns();
            second();
            take_turns();
            _exit(0);
        }
        close(ends[1]);
        await_turn();
    }
    LivingParser() : LivingParser(nothing, nothing) {}
    LivingParser(const LivingParser &) = delete;
    LivingParser &operator=(const LivingParser &) = delete;
    ~LivingParser() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::string proc(const std::string &file) const {
        return "/proc/" + std::to_string(pid_) + "/" + file;
    }

    // Its second turn. It still lives afterwards.
    void go_on(Place where = Place::here()) {
        const char word = 0;
        claim(send(link_.get(), &word, 1, MSG_NOSIGNAL) == 1, "the parser lives", where);
        await_turn(where);
    }

  private:
    void take_turns() {
        char word = 0;
        claim(send(link_.get(), &word, 1, MSG_NOSIGNAL) == 1 && recv(link_.get(), &word, 1, 0) == 1, "told to go on");
    }
    void await_turn(Place where = Place::here()) {
        char word = 0;
        claim(recv(link_.get(), &word, 1, 0) == 1, "its turn ends well", where);
    }

    itk2::os::Fd link_;
    pid_t pid_ = 0;
};

// That `body` holds in a parser with its grant.
template <typename Body> void holds_with_grant(const itk2::os::Ids &ids, Body body) {
    LivingParser parser(nothing, body);
    claim_ok(itk2::os::write_grant(parser.pid(), ids));
    parser.go_on();
}

// A process that waits beside the test, and is ended with it.
class Beside {
  public:
    template <typename Body> explicit Beside(Body body) {
        int ends[2];
        claim(pipe2(ends, O_CLOEXEC) == 0);
        pid_ = fork();
        claim(pid_ >= 0);
        if (pid_ == 0) {
            body();
            claim(write(ends[1], "", 1) == 1);
            for (;;) pause();
        }
        close(ends[1]);
        char byte = 0;
        claim(read(ends[0], &byte, 1) == 1, "ready");
        close(ends[0]);
    }
    Beside(const Beside &) = delete;
    Beside &operator=(const Beside &) = delete;
    ~Beside() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::string proc(const std::string &file) const {
        return "/proc/" + std::to_string(pid_) + "/" + file;
    }

  private:
    pid_t pid_;
};

// Becomes an ordinary process of a user, without a capability, in the namespace of the test. Others of that user may look
// into it.
inline void be_ordinary(uid_t uid, gid_t gid) {
    claim(setgroups(0, nullptr) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0);
    claim(prctl(PR_SET_DUMPABLE, 1) == 0);
}

template <typename Body> void holds_as(uid_t uid, gid_t gid, Body body) {
    holds_in_child([&] {
        be_ordinary(uid, gid);
        body();
    });
}

inline void claim_refused(long answer, int error, Place where = Place::here()) {
    claim(answer == -1 && errno == error, "answer " + std::to_string(answer) + ", errno " + std::to_string(errno),
          where);
}

inline std::string four(unsigned id) {
    const std::string text = std::to_string(id);
    return text + "\t" + text + "\t" + text + "\t" + text;
}

// A file's words, with one space between them.
inline std::string words_of(const std::string &path) {
    std::ifstream file(path);
    std::string all;
    for (std::string word; file >> word;) all += (all.empty() ? "" : " ") + word;
    return all;
}

inline bool can_open(const std::string &path, int flags) {
    return itk2::os::Fd{open(path.c_str(), flags | O_CLOEXEC)}.is_open();
}
