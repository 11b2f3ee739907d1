// What it is: the shared memory of modules, of which each identity that is served has its own: who has which, and how a
// child leaves the master's and takes its identity's.
// Runs as: the master, for one generation; and its children, once each.
#pragma once

#include "base/growing_array.h"
#include "base/ids.h"
#include "os/segments.h"
#include "plan/kept_memory.h"

#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <span>

namespace itk2::role {

class IdentitySegments {
  public:
    // Descriptors for an order: those of take_own_segments(), and one of what to fill the memory with, where that is to be
    // done. They stay this object's.
    struct Own {
        std::array<int, 2 + os::max_lock_files> descriptors;
        std::size_t count = 0;
        bool is_filled = true;
        [[nodiscard]] std::span<const int> all() const { return {descriptors.data(), count}; }
    };

    IdentitySegments() = default;
    IdentitySegments(const IdentitySegments &) = delete;
    IdentitySegments &operator=(const IdentitySegments &) = delete;
    ~IdentitySegments();

    // Copies what there is now, and says in the log whose memory is kept apart. Once, before any child of this generation is forked.
    Result begin();
    // Those of this identity, made if there are none yet: then who takes them fills their memory, so that a burst of births
    // does not wait for the master; or drop() them. Nothing where begin() did nothing.
    Result of(IdentityKey identity, Own &own);
    // Makes those of whichever identity comes next, filled, so that its first request need not wait for that.
    Result make_ahead();
    [[nodiscard]] bool has_made_ahead() { return !is_used_ || find(no_identity) != nullptr; }
    // The last process that has them has ended well: what modules have there is good for the next one. Kept as far as
    // KeptMemoryMax allows; others', of before, are dropped for it.
    void rest(IdentityKey identity);
    // Likewise, but nobody is to have them again. Of any identity.
    void drop(IdentityKey identity);
    // What is kept so.
    [[nodiscard]] const plan::KeptMemory &kept() const { return kept_; }

    // In a child of the master: nothing here is its own.
    void close_all();
    // In a child, before any code that has to do with a client. Steps of os/segments.h.
    Result leave() const;
    Result take_private() const;
    // Fills the memory first, or waits for the one who does.
    Result take(const Own &own) const;
    // Lets go of what only a child that has yet to take something needs, and of the master's limits.
    Result settle();

  private:
    struct Entry {
        IdentityKey identity; // no_identity: of whoever comes next
        Own own;
    };

    Result make_room();
    Result make(IdentityKey identity, bool is_filled);
    void report(std::uint64_t bytes) const;
    [[nodiscard]] Entry *find(IdentityKey identity);

    os::Segments segments_;
    os::Fd pristine_;
    GrowingArray<Entry> entries_;
    plan::KeptMemory kept_; // of entries_
    rlimit before_{};       // of open files
    bool is_used_ = false;
};

} // namespace itk2::role
