// What it is: parsers: how many there are, and what they are born with.
// Runs as: the master. The child of its fork becomes a parser and never comes back here.
#include "role/crew.h"

#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/process.h"
#include "role/parser.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace itk2::role {
namespace {

// Ready ones are places in which no worker can be.
constexpr std::uint32_t most_of_all_workers = 4;
constexpr std::int64_t birth_patience_ms = 30'000;

std::uint32_t wanted_ready(std::uint32_t listeners) {
    const httpd::Settings &settings = httpd::settings();
    if (!settings.needs_parsers) return 0;
    const std::uint32_t wanted = std::min(settings.min_spares, settings.max_workers / most_of_all_workers);
    return std::max(1U, wanted / listeners);
}

} // namespace

bool Crew::can_have_parsers() {
    if (!httpd::settings().needs_parsers) return true;
    const pid_t pid = fork_child([this](pid_t master) { try_birth(master, segments_); });
    if (pid < 0) {
        const Result result = failed(Step::fork_child);
        httpd::log(httpd::LogId::parser_not_forked, step_name(result.step), httpd::error_words(result), result.error);
        return false;
    }
    int wait_status = 0;
    pid_t ended = 0;
    const std::int64_t deadline = os::monotonic_ms() + birth_patience_ms;
    while ((ended = waitpid(pid, &wait_status, WNOHANG)) == 0) {
        if (os::monotonic_ms() >= deadline) os::signal_child(pid, SIGKILL); // a module's child_init waits for something
        os::sleep_briefly();
    }
    httpd::show_nobody(Slot{0});
    if (ended == pid && exited_with(wait_status, ExitCode::finished)) return true;
    const Words words = describe(wait_status);
    httpd::log(httpd::LogId::parser_died, static_cast<int>(pid), words.how, words.number);
    return false;
}

bool Crew::staff_parsers(std::int64_t now_ms, std::uint32_t &forks) {
    if (now_ms < memory_.parser_throttle.not_before_ms()) return true;
    const std::uint32_t wanted = wanted_ready(memory_.listener_count);
    for (std::uint32_t place = 0; place < memory_.listener_count; place++) {
        std::uint32_t there = memory_.children.parsers(httpd::generation(), place);
        for (; there < wanted; there++) {
            if (is_full()) {
                if (there == 0 && memory_.evictions.ask(1, now_ms)) ask_for_eviction(no_identity);
                break;
            }
            if (forks == forks_at_once) return false;
            forks++;
            if (!give_parser(place)) return true;
        }
    }
    return true;
}

bool Crew::give_parser(std::uint32_t place) {
    Slot slot;
    Child *child = memory_.children.unused();
    if (memory_.children.parsers() >= max_parsers) return false; // they would not be heard
    if (memory_.listeners[place].down < 0 || child == nullptr ||
        !memory_.children.free_slot(httpd::settings().slot_limit, slot))
        return false;
    wire::UpperEnd channel;
    wire::UpperEnd link;
    const Result result = fork_parser(*child, slot, channel, link);
    if (!result.ok()) {
        httpd::log(httpd::LogId::parser_not_forked, step_name(result.step), httpd::error_words(result), result.error);
        memory_.parser_throttle.birth_failed(os::monotonic_ms());
        return false;
    }
    child->down = link.down.release();
    child->up = link.up.release();
    introduce(*child, {place, no_identity}, {channel.down.release(), channel.up.release()});
    memory_.staffing.given({place, no_identity});
    return true;
}

Result Crew::fork_parser(Child &child, Slot slot, wire::UpperEnd &channel, wire::UpperEnd &link) {
    wire::LowerEnd lower;
    wire::LowerEnd link_lower;
    Result result = wire::make_channel(channel, lower);
    if (result.ok()) result = wire::make_channel(link, link_lower);
    os::Fd page;
    if (result.ok()) result = open_page(slot, no_identity, page);
    if (!result.ok()) return result;
    const pid_t pid = fork_child([&](pid_t master) {
        channel = {};
        link = {};
        run_parser(std::move(lower), std::move(link_lower), slot, std::move(page), master, segments_);
    });
    if (pid < 0) return failed(Step::fork_child);
    // One that does not get them ends with its link.
    if (result = give_parser_logs(link.down.get()); !result.ok()) return result;
    child.pid = pid;
    child.generation = httpd::generation();
    child.since_ms = os::monotonic_ms();
    child.worker = WorkerId{++memory_.last_worker};
    memory_.children.take_slot(child, slot, Stage::parser);
    httpd::show_worker(slot, pid, child.generation);
    httpd::note_child_started(pid, child.generation);
    return success;
}

void Crew::note_parsers_are_born() {
    memory_.parser_throttle.birth_succeeded();
    memory_.staffing.throttle(no_identity)->birth_succeeded();
}

void Crew::note_parser_ended(const Child &parser, int wait_status, BirthOf birth) {
    if (birth == BirthOf::retired) return note_parsers_are_born();
    const Words words = describe(wait_status);
    httpd::log(httpd::LogId::parser_died, static_cast<int>(parser.pid), words.how, words.number);
    // Of what it has read, perhaps: the next one may be somebody else's.
    if (birth == BirthOf::crashed) (void)memory_.parser_throttle.crashed(os::monotonic_ms());
    if (birth != BirthOf::failed) return;
    const std::int64_t now_ms = os::monotonic_ms();
    memory_.parser_throttle.birth_failed(now_ms);
    // A request that ends its parser is no reason to let others wait for theirs; a step that fails, fails for all.
    if (exited_with(wait_status, ExitCode::failed_at_birth))
        memory_.staffing.throttle(no_identity)->birth_failed(now_ms);
    httpd::log(httpd::LogId::parsers_throttled, memory_.parser_throttle.wait_ms());
}

} // namespace itk2::role
