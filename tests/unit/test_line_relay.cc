// Claims about os/line_relay: every line arrives, whole, whoever writes beside it.
#include "in_child.h"

#include "os/line_relay.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

using namespace itk2;
using namespace itk2::os;

namespace {

struct File {
    File() { fd = mkostemp(path.data(), O_APPEND); }
    ~File() {
        close(fd);
        unlink(path.data());
    }
    [[nodiscard]] std::string text() const {
        std::ifstream file(path.data());
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::array<char, 32> path{"/tmp/itk2-lines-XXXXXX"};
    int fd;
};

struct Relay {
    Relay() {
        assert_int_equal(pipe(also.data()), 0);
        assert_true(relay.open(also[0]).ok());
    }
    ~Relay() {
        close(also[0]);
        close(also[1]);
    }
    // The writing end of a new pipe to the file.
    Fd writer(int file) {
        std::array<int, 2> ends{};
        assert_int_equal(pipe(ends.data()), 0);
        assert_true(relay.add(Fd{ends[0]}, Fd{dup(file)}).ok());
        return Fd{ends[1]};
    }
    void carry_all() {
        while (relay.turn(0).moved) {}
    }
    LineRelay relay;
    std::array<int, 2> also{};
};

void put(const Fd &writer, const std::string &text) {
    assert_int_equal(write(writer.get(), text.data(), text.size()), text.size());
}

void lines_of_two_writers_are_whole(void **) {
    const File file;
    Relay relay;
    const Fd one = relay.writer(file.fd), two = relay.writer(file.fd);
    put(one, "first li");
    put(two, "second line\n");
    relay.carry_all();
    put(one, "ne\n");
    relay.carry_all();
    assert_string_equal(file.text().c_str(), "second line\nfirst line\n");
}

void a_line_without_an_end_is_ended_before_others_go_on(void **) {
    const File file;
    Relay relay;
    Fd one = relay.writer(file.fd);
    const Fd two = relay.writer(file.fd);
    put(one, "no end");
    relay.carry_all();
    assert_string_equal(file.text().c_str(), "");
    for (int i = 0; i < 50 && file.text().empty(); i++) relay.relay.turn(100);
    put(two, "line\n");
    relay.carry_all();
    assert_string_equal(file.text().c_str(), "no end\nline\n");
    put(one, "nor has this");
    one.reset();
    relay.carry_all();
    relay.relay.turn(0); // its end
    assert_string_equal(file.text().c_str(), "no end\nline\nnor has this\n");
    assert_int_equal(relay.relay.count(), 1);
}

void a_line_longer_than_any_is_cut_and_ended(void **) {
    const File file;
    Relay relay;
    const Fd one = relay.writer(file.fd);
    std::size_t sent = 0;
    while (sent < (std::size_t{65} << 10)) {
        put(one, std::string(1 << 10, 'x'));
        sent += 1 << 10;
        relay.carry_all();
    }
    put(one, "y\n");
    relay.carry_all();
    const std::string text = file.text();
    std::size_t begin = 0, longest = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; begin = end + 1, end = text.find('\n', begin))
        longest = std::max(longest, end - begin);
    assert_int_equal(begin, text.size());
    assert_true(longest <= std::size_t{64} << 10);
}

void what_is_begun_at_the_end_is_written(void **) {
    const File file;
    Relay relay;
    const Fd one = relay.writer(file.fd);
    put(one, "whole\nbegun");
    relay.carry_all();
    relay.relay.finish();
    assert_string_equal(file.text().c_str(), "whole\nbegun\n");
}

void a_program_that_does_not_read_stops_only_its_own_lines(void **) {
    const File file;
    Relay relay;
    std::array<int, 2> program{};
    assert_int_equal(pipe(program.data()), 0);
    const Fd stuck = relay.writer(program[1]), other = relay.writer(file.fd);
    const std::string line = std::string(99, 'x') + "\n";
    for (int i = 0; i < 1000; i++) { // more than a pipe holds
        put(stuck, line);
        for (int turn = 0; turn < 2; turn++) relay.relay.turn(0);
        if (i > 700) break;
    }
    put(other, "line\n");
    for (int turn = 0; turn < 4; turn++) relay.relay.turn(0);
    assert_string_equal(file.text().c_str(), "line\n");
    close(program[0]);
    close(program[1]);
}

void the_other_descriptor_is_told_of(void **) {
    Relay relay;
    assert_false(relay.relay.turn(0).also_ready);
    assert_int_equal(write(relay.also[1], "x", 1), 1);
    assert_true(relay.relay.turn(0).also_ready);
}

} // namespace

int main() {
    signal(SIGPIPE, SIG_IGN);
    const CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_two_writers_are_whole),
        cmocka_unit_test(a_line_without_an_end_is_ended_before_others_go_on),
        cmocka_unit_test(a_line_longer_than_any_is_cut_and_ended),
        cmocka_unit_test(what_is_begun_at_the_end_is_written),
        cmocka_unit_test(a_program_that_does_not_read_stops_only_its_own_lines),
        cmocka_unit_test(the_other_descriptor_is_told_of),
    };
    return cmocka_run_group_tests_name("line relay", tests, nullptr, nullptr);
}
