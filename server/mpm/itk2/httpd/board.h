// What it is: httpd's scoreboard, taken apart: what the master tells of all processes, which it alone can write; and for
// each slot a page of its own, which its worker alone can write, and of the others only who may see the status.
// Runs as: the master; then each of its children, once. No httpd type.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "os/fd.h"

#include <cstddef>
#include <cstdint>

namespace itk2::httpd {

// The master's, as long as it lives; plain data.
struct Board {
    bool is_made;
    int folder; // of slots' pages; -1: none is possible here, and nobody sees another's
    std::uint32_t slots;
    IdentityKey *owners; // whose page a slot has; malloc'ed
    void *shared;        // the master's view of what it tells
    void *seen;          // everybody's: what they write there is their own
    std::uint64_t size;
};

// Takes the scoreboard apart, at the beginning of each generation, before any child is forked. After a hard restart no page
// of before is there. Says in the log where nobody can be shown the others.
// Steps make_memfd, map_memory, make_folder.
Result take_board_apart(Board &board);

// The page of who takes the slot: the one that there is, with its counts, where the same identity had it last; else a
// new one. `owner` no_identity: always a new one. Steps make_memfd, make_folder.
Result open_page(Board &board, Slot slot, IdentityKey owner, os::Fd &page);
// Whether this identity had the slot last.
bool had_slot(const Board &board, Slot slot, IdentityKey identity);

// Nobody is in the slot any more.
void show_empty(const Board &board, Slot slot);

// How many identities without a process have memory that is kept for them, and how much that is.
void show_kept(const Board &board, std::size_t identities, std::uint64_t bytes);

// In a child: the master's view is left behind.
void leave_board(const Board &board);
// In a child: writes its own slot's page from now on, and sees nothing of others. Step map_memory.
Result take_page(Slot slot, int page);
// In a child that may see all: `folder` stays open. Step map_memory.
Result see_all_pages(os::Fd folder);
// Looks for pages that are new; before somebody asks for the status. Does nothing but in who may see all.
void look_again();

// What show_kept() has told last.
struct Kept {
    std::uint32_t identities = 0;
    std::uint32_t kib = 0;
};
Kept kept_memory();

// Whether workers of this user are shown the others' requests: ShowStatusTo.
bool may_see_status(std::uint32_t uid);

} // namespace itk2::httpd
