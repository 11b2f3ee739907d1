// What it is: see identity_segments.h.
#include "role/identity_segments.h"

#include "httpd/log.h"
#include "httpd/memory_makers.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/descriptors.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace itk2::role {
namespace {

constexpr rlim_t other_descriptors = 1024; // channels, sockets, logs
constexpr std::uint32_t few_kept = 256;    // identities, however few workers there may be
constexpr std::int64_t filling_patience_ms = 5000;

void close_descriptors(const IdentitySegments::Own &own) {
    for (const int fd : own.all()) close(fd);
}

// "mod_ssl.c, mod_php.c": whose memory and lock files there are, each module once.
class Makers {
  public:
    void add(const os::Inode &inode) {
        const char *maker = httpd::maker_of(inode);
        if (maker == nullptr) maker = "others";
        for (std::size_t i = 0; i < count_; i++)
            if (strcmp(named_[i], maker) == 0) return;
        if (count_ == named_.size()) return;
        named_[count_++] = maker;
        const std::size_t used = strlen(words_);
        snprintf(words_ + used, sizeof words_ - used, "%s%s", used == 0 ? "" : ", ", maker);
    }
    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    [[nodiscard]] const char *words() const { return is_empty() ? "none is there" : words_; }

  private:
    std::array<const char *, os::max_segments> named_;
    std::size_t count_ = 0;
    char words_[700] = "";
};

} // namespace

IdentitySegments::~IdentitySegments() {
    close_all();
    if (is_used_) (void)setrlimit(RLIMIT_NOFILE, &before_); // for the next generation to find
}

void IdentitySegments::report(std::uint64_t bytes) const {
    Makers apart;
    for (const os::Segment &segment : segments_.all()) apart.add(segment.mapping.inode);
    for (const os::LockFile &lock_file : segments_.locks()) apart.add(lock_file.inode);
    httpd::log(httpd::LogId::memory_apart, static_cast<unsigned long long>(bytes / 1024), apart.words());
    Makers shared;
    for (const os::Inode &inode : segments_.kept_inodes())
        if (httpd::maker_of(inode) != nullptr) shared.add(inode); // httpd's scoreboard has none
    if (!shared.is_empty()) httpd::log(httpd::LogId::memory_shared, shared.words());
}

// Each identity that is served costs the master descriptors, and there are as many as workers, at most; and likewise those
// whose memory is kept.
Result IdentitySegments::make_room() {
    if (getrlimit(RLIMIT_NOFILE, &before_) != 0) return failed(Step::make_memfd);
    const httpd::Settings &settings = httpd::settings();
    const rlim_t for_each = 1 + segments_.lock_file_count;
    const rlim_t for_served = other_descriptors + settings.max_workers * for_each;
    const rlim_t most_kept = std::max(settings.max_workers, few_kept);
    const rlim_t wanted = std::max(before_.rlim_cur, for_served + most_kept * for_each);
    const rlimit raised{std::min(wanted, before_.rlim_max), before_.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0) return failed(Step::make_memfd);
    const rlim_t room = raised.rlim_cur > for_served ? (raised.rlim_cur - for_served) / for_each : 0;
    kept_.allow(settings.says_kept_memory ? settings.kept_memory : segments_.copy_size, std::min(room, most_kept));
    return success;
}

Result IdentitySegments::begin() {
    httpd::find_scoreboard();
    Result result = os::find_segments(httpd::stays_shared, segments_);
    if (result.ok()) result = os::copy_segments(segments_, pristine_);
    std::uint64_t bytes = 0;
    if (result.ok() && pristine_.is_open()) result = os::held_bytes(pristine_.get(), bytes);
    if (result.ok()) result = make_room();
    if (!result.ok()) return result;
    is_used_ = true;
    report(bytes);
    return success;
}

IdentitySegments::Entry *IdentitySegments::find(IdentityKey identity) {
    for (Entry &entry : entries_.items())
        if (entry.identity == identity) return &entry;
    return nullptr;
}

Result IdentitySegments::of(IdentityKey identity, Own &own) {
    own.count = 0;
    if (!is_used_) return success;
    if (find(identity) == nullptr) {
        if (Entry *ahead = find(no_identity))
            ahead->identity = identity;
        else if (const Result result = make(identity, false); !result.ok())
            return result;
    }
    kept_.forget(identity);
    Entry &entry = *find(identity);
    own = entry.own;
    if (!own.is_filled) own.descriptors[own.count++] = pristine_.get();
    entry.own.is_filled = true; // by whoever is given these
    return success;
}

Result IdentitySegments::make_ahead() { return has_made_ahead() ? success : make(no_identity, true); }

Result IdentitySegments::make(IdentityKey identity, bool is_filled) {
    os::OwnSegments made;
    Result result = os::make_own_segments(segments_, made);
    if (result.ok() && is_filled) result = os::fill_own_memory(segments_, pristine_.get(), made.memory.get());
    if (!result.ok()) return result;
    Entry entry{identity, {}};
    entry.own.is_filled = is_filled;
    entry.own.descriptors[entry.own.count++] = made.memory.get();
    for (std::size_t i = 0; i < segments_.lock_file_count; i++)
        entry.own.descriptors[entry.own.count++] = made.lock_files[i].get();
    entries_.add(entry);
    if (entries_.has_failed()) return refused(Step::make_memfd, ENOMEM);
    (void)made.memory.release();
    for (os::Fd &fd : made.lock_files) (void)fd.release();
    return success;
}

void IdentitySegments::rest(IdentityKey identity) {
    const Entry *entry = find(identity);
    if (entry == nullptr) return;
    std::uint64_t bytes = 0;
    const Result result = os::held_bytes(entry->own.descriptors.front(), bytes);
    if (!result.ok() || !kept_.keep(identity, bytes)) return drop(identity);
    for (IdentityKey next = kept_.surplus(); next != no_identity; next = kept_.surplus()) {
        httpd::log(httpd::LogId::kept_memory_dropped, httpd::identity(next).name);
        drop(next);
    }
}

void IdentitySegments::drop(IdentityKey identity) {
    kept_.forget(identity);
    Entry *entry = find(identity);
    if (entry == nullptr) return;
    close_descriptors(entry->own);
    *entry = entries_.items().back();
    entries_.shrink(entries_.size() - 1);
}

// At each birth, of all that are served and kept: in few calls.
void IdentitySegments::close_all() {
    GrowingArray<int> going;
    for (const Entry &entry : entries_.items()) going.add_all(entry.own.all());
    if (!going.has_failed())
        os::close_each(going.items());
    else
        for (const Entry &entry : entries_.items()) close_descriptors(entry.own);
    entries_.shrink(0);
}

Result IdentitySegments::leave() const { return is_used_ ? os::leave_segments(segments_) : success; }

Result IdentitySegments::take_private() const {
    return is_used_ ? os::take_private_segments(segments_, pristine_.get()) : success;
}

Result IdentitySegments::take(const Own &own) const {
    if (!is_used_) return success;
    const std::span all = own.all();
    if (all.size() < (own.is_filled ? 1U : 2U)) return refused(Step::verify_segments, EINVAL);
    const auto lasting = own.is_filled ? all : all.first(all.size() - 1);
    const Result result = own.is_filled ? os::await_own_memory(all.front(), os::monotonic_ms() + filling_patience_ms)
                                        : os::fill_own_memory(segments_, all.back(), all.front());
    return result.ok() ? os::take_own_segments(segments_, lasting) : result;
}

Result IdentitySegments::settle() {
    pristine_.reset();
    if (!is_used_) return success;
    return setrlimit(RLIMIT_NOFILE, &before_) == 0 ? success : failed(Step::map_segments);
}

} // namespace itk2::role
