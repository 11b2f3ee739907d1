// What it is: see line_relay.h.
#include "os/line_relay.h"

#include "os/clock.h"
#include "os/waiting.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>

namespace itk2::os {

namespace {

constexpr std::size_t longest_line = std::size_t{64} << 10;
constexpr std::int64_t unfinished_ms = 200; // then others' lines go first no more
constexpr std::int64_t patience_ms = 1000;  // with a program that does not read its log
constexpr int events_a_turn = 64;

} // namespace

struct LineRelay::Destination {
    Fd file;
    bool is_regular = false;
    std::uint32_t sources = 0;
    dev_t device = 0;
    ino_t inode = 0;
    Destination *next = nullptr;

    // A file on a full disk takes nothing, and a program that does not read makes nobody wait for long.
    void write_all(const char *text, std::size_t size) const {
        while (size > 0) {
            const std::size_t part = is_regular || size < PIPE_BUF ? size : PIPE_BUF;
            if (!is_regular && await(file.get(), POLLOUT, monotonic_ms() + patience_ms) <= 0) return;
            const ssize_t written = write(file.get(), text, part);
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return;
            text += written;
            size -= static_cast<std::size_t>(written);
        }
    }
    [[nodiscard]] bool takes_more() const { return is_regular || await(file.get(), POLLOUT, 0) != 0; }
};

struct LineRelay::Source {
    Fd pipe;
    Destination *destination = nullptr;
    Source *previous = nullptr;
    Source *next = nullptr;
    std::int64_t begun_ms = 0; // its unfinished line
    std::size_t held = 0;
    char text[longest_line]; // never touched beyond what has come
};

LineRelay::~LineRelay() {
    while (sources_ != nullptr) remove(*sources_);
}

Result LineRelay::open(int also) {
    poller_.reset(epoll_create1(EPOLL_CLOEXEC));
    if (!poller_.is_open()) return failed(Step::make_poller);
    epoll_event event{};
    event.events = EPOLLIN;
    return epoll_ctl(poller_.get(), EPOLL_CTL_ADD, also, &event) == 0 ? success : failed(Step::watch_descriptor);
}

LineRelay::Destination *LineRelay::find_or_make(Fd file) {
    struct stat about {};
    if (fstat(file.get(), &about) != 0) return nullptr;
    for (Destination *each = destinations_; each != nullptr; each = each->next)
        if (each->device == about.st_dev && each->inode == about.st_ino) return each;
    void *const room = malloc(sizeof(Destination));
    if (room == nullptr) return nullptr;
    auto *const made = new (room) Destination;
    made->file = std::move(file);
    made->is_regular = S_ISREG(about.st_mode);
    made->device = about.st_dev;
    made->inode = about.st_ino;
    made->next = destinations_;
    destinations_ = made;
    return made;
}

void LineRelay::release(Destination *destination) {
    if (--destination->sources > 0) return;
    Destination **link = &destinations_;
    while (*link != destination) link = &(*link)->next;
    *link = destination->next;
    destination->~Destination();
    free(destination);
}

Result LineRelay::add(Fd source, Fd destination) {
    if (fcntl(source.get(), F_SETFL, O_NONBLOCK) != 0) return failed(Step::watch_descriptor);
    void *const room = malloc(sizeof(Source));
    Destination *const found = room == nullptr ? nullptr : find_or_make(std::move(destination));
    if (found == nullptr) {
        free(room);
        return refused(Step::map_memory, ENOMEM);
    }
    auto *const made = new (room) Source;
    made->pipe = std::move(source);
    made->destination = found;
    made->next = sources_;
    if (sources_ != nullptr) sources_->previous = made;
    sources_ = made;
    found->sources++;
    count_++;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = made;
    if (epoll_ctl(poller_.get(), EPOLL_CTL_ADD, made->pipe.get(), &event) == 0) return success;
    const Result result = failed(Step::watch_descriptor);
    remove(*made);
    return result;
}

void LineRelay::remove(Source &source) {
    end_line(source);
    if (source.next != nullptr) source.next->previous = source.previous;
    (source.previous != nullptr ? source.previous->next : sources_) = source.next;
    release(source.destination);
    count_--;
    source.~Source();
    free(&source);
}

void LineRelay::end_line(Source &source) {
    if (source.held == 0) return;
    if (source.held == sizeof source.text) source.held--; // its last byte makes room for the end
    source.text[source.held] = '\n';
    source.destination->write_all(source.text, source.held + 1);
    source.held = 0;
    unfinished_--;
}

// Whether there was something. At the end of the pipe the source is removed.
bool LineRelay::carry(Source &source) {
    if (!source.destination->takes_more()) return false;
    std::size_t room = sizeof source.text - source.held;
    if (!source.destination->is_regular && room > PIPE_BUF) room = PIPE_BUF;
    const ssize_t length = read(source.pipe.get(), source.text + source.held, room);
    if (length < 0) return false;
    if (length == 0) {
        remove(source);
        return false;
    }
    const std::size_t before = source.held;
    const std::size_t all = before + static_cast<std::size_t>(length);
    const void *last = memrchr(source.text, '\n', all);
    const std::size_t whole =
        last == nullptr ? 0 : static_cast<std::size_t>(static_cast<const char *>(last) - source.text) + 1;
    if (whole > 0) source.destination->write_all(source.text, whole);
    source.held = all - whole;
    if (whole > 0) std::memmove(source.text, source.text + whole, source.held);
    if (before == 0 && source.held > 0) unfinished_++;
    if (before > 0 && source.held == 0) unfinished_--;
    if (before == 0 || whole > 0) source.begun_ms = monotonic_ms();
    if (source.held == sizeof source.text) end_line(source);
    return true;
}

LineRelay::Turn LineRelay::turn(int timeout_ms) {
    epoll_event events[events_a_turn];
    if (unfinished_ > 0 && (timeout_ms < 0 || timeout_ms > unfinished_ms)) timeout_ms = unfinished_ms;
    const int ready = epoll_wait(poller_.get(), events, events_a_turn, timeout_ms);
    Turn turn;
    for (const epoll_event &event : std::span(events, static_cast<std::size_t>(ready < 0 ? 0 : ready))) {
        if (event.data.ptr == nullptr)
            turn.also_ready = true;
        else if (carry(*static_cast<Source *>(event.data.ptr)))
            turn.moved = true;
    }
    if (unfinished_ == 0) return turn;
    const std::int64_t now_ms = monotonic_ms();
    for (Source *each = sources_; each != nullptr; each = each->next)
        if (each->held > 0 && now_ms - each->begun_ms >= unfinished_ms) end_line(*each);
    return turn;
}

void LineRelay::finish() {
    for (Source *each = sources_; each != nullptr; each = each->next) end_line(*each);
}

} // namespace itk2::os
