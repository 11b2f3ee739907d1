// What it is: spares and workers: forking, ordering, introducing; crew_parsers.cc has the parsers.
// Runs as: the master. The child of its fork becomes a spare and never comes back here.
#include "role/crew.h"

#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/process.h"
#include "role/handed.h"
#include "role/spare.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>
#include <utility>

namespace itk2::role {
namespace {

const char *name_of(IdentityKey identity) { return httpd::identity(identity).name; }

} // namespace

bool Crew::make_room() {
    const httpd::Settings &settings = httpd::settings();
    if (!httpd::is_graceful_restart()) { // nobody is left of the generation before
        memory_.staffing.give_back();
        memory_.listener_count = httpd::listener_count();
    }
    memory_.is_in_use = true;
    if (memory_.listener_count > max_listeners) return false;
    if (!copy_rules()) return false;
    // Twice the spares: those of the last generation may not have gone yet.
    const std::uint32_t children = settings.slot_limit + 2 * settings.max_spares + settings.start_spares;
    return memory_.children.reserve(children, settings.slot_limit) && memory_.pools.reserve(httpd::identity_count()) &&
           memory_.staffing.reserve(memory_.listener_count, httpd::identity_count());
}

// Parsers of the last generation may still ask by its rules.
bool Crew::copy_rules() {
    if (!httpd::settings().needs_parsers && memory_.accounts == nullptr) return true;
    if (memory_.accounts == nullptr) {
        memory_.accounts = static_cast<plan::AccountCache *>(malloc(sizeof(plan::AccountCache)));
        if (memory_.accounts == nullptr) return false;
    }
    new (memory_.accounts) plan::AccountCache;
    std::swap(memory_.rules[0], memory_.rules[1]);
    return memory_.rules[0].copy(httpd::generation());
}

Result Crew::keep_memory_apart() {
    if (!httpd::settings().started_as_root) return success;
    const Result result = httpd::take_board_apart(memory_.board);
    return result.ok() ? segments_.begin() : result;
}

bool Crew::staff(std::int64_t now_ms, bool keeps_spares) {
    httpd::show_kept(memory_.board, segments_.kept().count(), segments_.kept().bytes());
    if (!has_scribe(now_ms)) return false; // nobody's lines would be written
    plan::Need need;
    std::uint32_t looked = 0;
    std::uint32_t forks = 0;
    std::uint32_t waiting = 0; // for a place
    while (forks < forks_at_once && memory_.staffing.next(now_ms, looked, need)) {
        if (!may_have_more(need.identity)) continue;
        if (is_full()) {
            if (!memory_.evictions.ask(++waiting, now_ms)) continue;
            if (memory_.children.workers_of(need.identity) == 0) memory_.evictions.places_change_hands(now_ms);
            ask_for_eviction(need.identity);
            continue;
        }
        if (need.identity == no_identity) {
            forks++;
            if (!give_parser(need.listener)) break;
            looked = 0;
            continue;
        }
        if (any_spare(need.identity) == nullptr) {
            if (now_ms < memory_.spare_throttle.not_before_ms()) break;
            forks++;
            if (fork_spare(httpd::privileges_of(need.identity).set_uid_programs) == nullptr) break;
        }
        if (!give_worker(need)) break;
        looked = 0;
    }
    if (!keeps_spares) return forks == forks_at_once;
    if (waiting == 0 && is_full() && memory_.evictions.ask_ahead(now_ms))
        ask_for_eviction(no_identity, wire::Evict::ahead);
    if (!staff_parsers(now_ms, forks)) return true;
    if (now_ms < memory_.spare_throttle.not_before_ms()) return forks == forks_at_once;
    bool has_more_to_do = false;
    for (const bool set_uid_programs : {false, true})
        if (staff_spares(set_uid_programs, forks)) has_more_to_do = true;
    if (has_more_to_do || forks == forks_at_once) return true;
    // Memory made ahead is for a turn with nothing else in it.
    if (forks > 0) return !segments_.has_made_ahead();
    if (!anyone_needs()) (void)segments_.make_ahead(); // who needs them, and gets none, will say so
    return false;
}

// Of two kinds the rarer one is kept ready in smaller number; each need has its own anyway.
bool Crew::staff_spares(bool set_uid_programs, std::uint32_t &forks) {
    const httpd::Settings &settings = httpd::settings();
    if (!(set_uid_programs ? settings.has_set_uid_programs : settings.lacks_set_uid_programs)) return false;
    const bool is_rarer = set_uid_programs && settings.lacks_set_uid_programs;
    const std::uint32_t wanted = is_rarer ? (settings.min_spares + 3) / 4 : settings.min_spares;
    std::uint32_t there = memory_.children.spares(httpd::generation(), set_uid_programs);
    for (; there < wanted && forks < forks_at_once; forks++, there++)
        if (fork_spare(set_uid_programs) == nullptr) return false;
    return there < wanted;
}

void Crew::start_spares() {
    for (std::uint32_t i = 0; i < httpd::settings().start_spares; i++)
        if (fork_spare(!httpd::settings().lacks_set_uid_programs) == nullptr) return;
}

void Crew::dismiss_spares() {
    for (Child &child : memory_.children.all()) {
        if (child.stage != Stage::spare || child.dismissed) continue;
        close(child.down);
        close(child.up);
        child.down = child.up = -1;
        child.dismissed = true;
    }
}

bool Crew::first_need(plan::Need &need) {
    std::uint32_t looked = 0;
    return memory_.staffing.next(os::monotonic_ms(), looked, need);
}

// One that knows this identity: it was there at its fork.
Child *Crew::any_spare(IdentityKey identity) {
    for (Child &child : memory_.children.all())
        if (child.stage == Stage::spare && !child.dismissed && child.generation == httpd::generation() &&
            number(identity) < child.known_identities &&
            child.has_set_uid_programs == httpd::privileges_of(identity).set_uid_programs)
            return &child;
    return nullptr;
}

Child *Crew::fork_spare(bool set_uid_programs) {
    Child *child = memory_.children.unused();
    if (child == nullptr) return nullptr; // as many as there may ever be: some will end
    wire::UpperEnd upper;
    wire::LowerEnd lower;
    Result result = wire::make_channel(upper, lower);
    pid_t pid = -1;
    if (result.ok()) {
        pid = fork_child([&](pid_t master) {
            upper = {};
            run_spare(std::move(lower), master, segments_, set_uid_programs);
        });
    }
    if (pid < 0) {
        if (result.ok()) result = failed(Step::fork_child);
        httpd::log(httpd::LogId::spare_not_forked, step_name(result.step), httpd::error_words(result), result.error);
        memory_.spare_throttle.birth_failed(os::monotonic_ms());
        return nullptr;
    }
    child->stage = Stage::spare;
    child->pid = pid;
    child->generation = httpd::generation();
    child->known_identities = httpd::identity_count();
    child->has_set_uid_programs = set_uid_programs;
    child->since_ms = os::monotonic_ms();
    child->down = upper.down.release();
    child->up = upper.up.release();
    httpd::note_child_started(pid, child->generation);
    return child;
}

// In a child: lets go of everything that is the master's.
void Crew::leave_the_masters() {
    for (const int number : {SIGTERM, SIGCHLD}) signal(number, SIG_DFL);
    for (const int number : {SIGHUP, SIGINT, SIGUSR1, SIGWINCH}) signal(number, SIG_IGN);
    os::unblock_all_signals();
    for (ListenerProcess &listener : listeners()) forget(listener);
    for (Child &child : memory_.children.all()) {
        if (child.down >= 0) close(child.down);
        if (child.up >= 0) close(child.up);
    }
    for (const Resolver &resolver : memory_.resolvers)
        if (resolver.up >= 0) close(resolver.up);
    if (memory_.scribe.down >= 0) close(memory_.scribe.down);
    if (listeners_memory_ != nullptr) *listeners_memory_ = {};
    segments_.close_all();
    httpd::leave_board(memory_.board);
    httpd::close_listening_sockets();
}

bool Crew::may_have_more(IdentityKey identity) const {
    if (identity == no_identity) return httpd::settings().needs_parsers; // else asked for before the last restart
    const std::uint32_t most = httpd::settings().pool_max_workers;
    return most >= httpd::settings().max_workers || memory_.children.workers_of(identity) < most;
}

bool Crew::give_worker(const plan::Need &need) {
    Slot slot;
    Child *spare = any_spare(need.identity);
    if (spare == nullptr || !find_slot(need.identity, slot)) return false;
    if (!place(*spare, need) || !order(*spare, need, slot)) return true; // that spare is no good: another will do
    // Its channel is the listener's from now on; or, if that fails, it ends.
    introduce(*spare, need, {spare->down, spare->up});
    spare->down = spare->up = -1;
    memory_.staffing.given(need);
    return true;
}

// One that this identity had before, if there is, for the sake of its page's counts.
bool Crew::find_slot(IdentityKey identity, Slot &slot) {
    const std::uint32_t limit = httpd::settings().slot_limit;
    for (std::uint32_t i = 0; i < limit; i++) {
        slot = Slot{i};
        if (httpd::had_slot(memory_.board, slot, identity) && memory_.children.is_free(slot)) return true;
    }
    return memory_.children.free_slot(limit, slot);
}

Result Crew::open_page(Slot slot, IdentityKey owner, os::Fd &page) {
    return memory_.board.is_made ? httpd::open_page(memory_.board, slot, owner, page) : success;
}

// With all that is kept apart for its identity.
Result Crew::send_order(Child &spare, wire::Order &message) {
    Handed handed;
    os::Fd page;
    IdentitySegments::Own own;
    Result result = open_page(message.slot, message.identity, page);
    if (result.ok()) result = segments_.of(message.identity, own);
    if (!result.ok()) {
        memory_.staffing.throttle(message.identity)->birth_failed(os::monotonic_ms());
        return result;
    }
    if (page.is_open()) handed.add(page.get());
    if (sees_all(message.identity)) {
        message.header.flags |= wire::Order::sees_all;
        handed.add(memory_.board.folder);
        handed.add(listeners_memory_->counters_seen.get());
    }
    handed.add(own.all());
    if (!own.is_filled) message.header.flags |= wire::Order::fills;
    result = wire::send_down(spare.down, wire::encode(message), handed.all());
    // Nobody has them, or fills them.
    if (!result.ok() && !memory_.children.has_worker(message.identity, spare.generation))
        segments_.drop(message.identity);
    return result;
}

bool Crew::sees_all(IdentityKey identity) const {
    return memory_.board.is_made && memory_.board.folder >= 0 && httpd::may_see_status(httpd::identity(identity).uid);
}

void Crew::show_nobody(Slot slot) {
    httpd::show_nobody(slot);
    httpd::show_empty(memory_.board, slot);
}

bool Crew::order(Child &spare, const plan::Need &need, Slot slot) {
    wire::Order message;
    message.identity = need.identity;
    message.slot = slot;
    message.worker = WorkerId{++memory_.last_worker};
    Result result = success;
    // The spare itself may not: to go below 0 is root's.
    if (const int nice = httpd::identity(need.identity).nice; nice != 0) result = os::set_nice(spare.pid, nice);
    httpd::show_worker(slot, spare.pid, spare.generation);
    if (result.ok()) result = give_spare_logs(spare.down, need.identity);
    if (result.ok()) result = send_order(spare, message);
    if (!result.ok()) {
        show_nobody(slot);
        httpd::log(httpd::LogId::worker_not_ordered, name_of(need.identity), step_name(result.step),
                   httpd::error_words(result), result.error);
        os::signal_child(spare.pid, SIGKILL);
        spare.dismissed = true;
        return false;
    }
    spare.identity = need.identity;
    spare.worker = message.worker;
    spare.since_ms = os::monotonic_ms();
    memory_.children.take_slot(spare, slot, Stage::worker);
    return true;
}

void Crew::introduce(Child &child, const plan::Need &need, Ends channel) {
    ListenerProcess &listener = memory_.listeners[need.listener];
    wire::Worker message;
    message.slot = child.slot;
    message.worker = child.worker;
    message.identity = child.identity;
    message.generation = child.generation;
    const int ends[] = {channel.down, channel.up};
    child.listener = need.listener;
    child.listener_pid = listener.pid;
    const Result result = tell(listener, wire::encode(message), ends);
    close(channel.down);
    close(channel.up);
    if (result.ok()) return;
    // One that has ended is told of where it is reaped.
    if (result.error != EPIPE && result.error != ECONNRESET)
        httpd::log(httpd::LogId::listener_unresponsive, need.listener, static_cast<int>(listener.pid),
                   httpd::error_words(result));
    end_listener(need.listener);
}

Result Crew::introduce_self(const plan::Need &need, wire::LowerEnd &channel) {
    wire::UpperEnd upper;
    const Result made = wire::make_channel(upper, channel);
    if (!made.ok()) return made;
    wire::Worker message;
    message.slot = Slot{0};
    message.worker = WorkerId{++memory_.last_worker};
    message.identity = need.identity;
    message.generation = httpd::generation();
    const int ends[] = {upper.down.get(), upper.up.get()};
    httpd::show_worker(message.slot, getpid(), message.generation);
    return tell(memory_.listeners[need.listener], wire::encode(message), ends);
}

bool Crew::is_full() const { return memory_.children.workers() >= httpd::settings().max_workers; }

// Every worker there may be is there: somebody else's idle one makes room.
void Crew::ask_for_eviction(IdentityKey for_identity, std::uint8_t code) {
    wire::Evict message;
    message.header.code = code;
    message.for_identity = for_identity;
    tell_all_listeners(wire::encode(message));
}

} // namespace itk2::role
