// What it is: see board.h.
#include "httpd/board.h"

#include "httpd/config_state.h"
#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/process.h"
#include "os/memfd.h"
#include "os/private_folder.h"

#include "httpd/apache.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace itk2::httpd {
namespace {

constexpr std::size_t page_size = 4096;
static_assert(sizeof(worker_score) <= page_size / 2); // httpd's may be larger than the one this was compiled with

char *first_worker() { return reinterpret_cast<char *>(ap_scoreboard_image->servers[0]); }
char *global() { return reinterpret_cast<char *>(ap_scoreboard_image->global); }

// How often pages have been new ones: any, then each slot's.
std::size_t renewals(std::uint32_t slots) { return 1 + slots; }

// What the master tells: httpd's global_score and process_scores, then the renewals, then what is kept.
std::size_t told_size(std::uint32_t slots) {
    const auto of_httpd = static_cast<std::size_t>(first_worker() - global());
    return ((of_httpd + 7) & ~std::size_t{7}) + renewals(slots) * sizeof(std::uint32_t) + sizeof(Kept);
}

void look_at(char *base, std::ptrdiff_t processes) {
    ap_scoreboard_image->global = reinterpret_cast<global_score *>(base);
    ap_scoreboard_image->parent = reinterpret_cast<process_score *>(base + processes);
}

// A process's own part.
struct Own {
    std::uint32_t *renewals = nullptr;
    std::uint32_t slots = 0;
    int slot = -1;
    os::Fd folder;
    char *others = nullptr;          // a page for each slot
    std::uint32_t *looked = nullptr; // the renewals that have been seen to
};
constinit Own own;

void name_of(char (&name)[16], std::uint32_t slot) { snprintf(name, sizeof name, "%u", slot); }

std::uint32_t *renewals_in(const Board &board, void *base) {
    char *const end = static_cast<char *>(base) + board.size - sizeof(Kept);
    return reinterpret_cast<std::uint32_t *>(end) - renewals(board.slots);
}

Kept &kept_behind(std::uint32_t *renewals_there, std::uint32_t slots) {
    return *reinterpret_cast<Kept *>(renewals_there + renewals(slots));
}

void tell_renewal(const Board &board, Slot slot) {
    std::uint32_t *told = renewals_in(board, board.shared);
    told[1 + number(slot)]++;
    // Who reads the sum anew finds the slot's.
    std::atomic_ref(told[0]).fetch_add(1, std::memory_order_release);
}

// Nobody is left who has seen one.
Result forget_pages(Board &board) {
    std::uint32_t *told = renewals_in(board, board.shared);
    for (std::uint32_t i = 0; i < board.slots; i++) {
        board.owners[i] = no_identity;
        if (told[1 + i] == 0) continue;
        char name[16];
        name_of(name, i);
        if (const Result removed = os::remove_file(board.folder, name); !removed.ok()) return removed;
        told[1 + i] = 0;
    }
    told[0] = 0;
    return success;
}

} // namespace

Result take_board_apart(Board &board) {
    // httpd's own counts begin anew, too.
    if (board.is_made) return is_graceful_restart() ? success : forget_pages(board);
    const std::uint32_t slots = settings().slot_limit;
    const std::size_t size = told_size(slots);
    os::Fd memory;
    Result result = os::make_sparse_memfd("itk2 scoreboard", size, memory);
    if (result.ok()) result = os::seal_memfd_size(memory.get());
    if (!result.ok()) return result;
    constexpr int writable = PROT_READ | PROT_WRITE;
    void *const shared = mmap(nullptr, size, writable, MAP_SHARED, memory.get(), 0);
    void *const seen = mmap(nullptr, size, writable, MAP_PRIVATE, memory.get(), 0);
    void *const nobody = mmap(nullptr, page_size, writable, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || seen == MAP_FAILED || nobody == MAP_FAILED) return failed(Step::map_memory);
    if (madvise(shared, size, MADV_DONTFORK) != 0) return failed(Step::map_memory);
    board.owners = static_cast<IdentityKey *>(malloc(slots * sizeof(IdentityKey)));
    if (board.owners == nullptr) return refused(Step::map_memory, ENOMEM);
    for (std::uint32_t i = 0; i < slots; i++) board.owners[i] = no_identity;

    memcpy(shared, global(), static_cast<std::size_t>(first_worker() - global()));
    const std::ptrdiff_t processes = reinterpret_cast<char *>(ap_scoreboard_image->parent) - global();
    look_at(static_cast<char *>(shared), processes);
    for (std::uint32_t i = 0; i < slots; i++) ap_scoreboard_image->servers[i] = static_cast<worker_score *>(nobody);
    os::Fd folder;
    if (const Result made = os::make_private_folder(folder); !made.ok())
        log(LogId::status_of_own_only, step_name(made.step), error_words(made), made.error);
    board.folder = folder.release();
    board.slots = slots;
    board.shared = shared;
    board.seen = seen;
    board.size = size;
    board.is_made = true;
    return success;
}

bool had_slot(const Board &board, Slot slot, IdentityKey identity) {
    return board.is_made && board.folder >= 0 && identity != no_identity && number(slot) < board.slots &&
           board.owners[number(slot)] == identity;
}

Result open_page(Board &board, Slot slot, IdentityKey owner, os::Fd &page) {
    if (board.folder < 0) {
        const Result result = os::make_sparse_memfd("itk2 slot", page_size, page);
        return result.ok() ? os::seal_memfd_size(page.get()) : result;
    }
    char name[16];
    name_of(name, number(slot));
    if (had_slot(board, slot, owner)) return os::open_file(board.folder, name, page);
    const Result result = os::renew_file(board.folder, name, page_size, page);
    board.owners[number(slot)] = result.ok() ? owner : no_identity;
    if (result.ok()) tell_renewal(board, slot);
    return result;
}

// Written and not looked at: the page is its worker's.
void show_empty(const Board &board, Slot slot) {
    if (!board.is_made || board.folder < 0) return;
    char name[16];
    name_of(name, number(slot));
    os::Fd page;
    constexpr unsigned char dead = SERVER_DEAD;
    if (os::open_file(board.folder, name, page).ok())
        (void)!pwrite(page.get(), &dead, sizeof dead, offsetof(worker_score, status));
}

void show_kept(const Board &board, std::size_t identities, std::uint64_t bytes) {
    if (!board.is_made) return;
    Kept &kept = kept_behind(renewals_in(board, board.shared), board.slots);
    std::atomic_ref(kept.identities).store(static_cast<std::uint32_t>(identities), std::memory_order_relaxed);
    std::atomic_ref(kept.kib).store(static_cast<std::uint32_t>(bytes / 1024), std::memory_order_relaxed);
}

void leave_board(const Board &board) {
    if (!board.is_made) return;
    const std::ptrdiff_t processes =
        reinterpret_cast<char *>(ap_scoreboard_image->parent) - reinterpret_cast<char *>(ap_scoreboard_image->global);
    look_at(static_cast<char *>(board.seen), processes);
    own.renewals = renewals_in(board, board.seen);
    own.slots = board.slots;
    if (board.folder >= 0) close(board.folder);
}

Result take_page(Slot slot, int page) {
    struct stat about {};
    if (fstat(page, &about) != 0) return failed(Step::map_memory);
    if (about.st_size != static_cast<off_t>(page_size) || number(slot) >= own.slots)
        return refused(Step::map_memory, EINVAL);
    void *const mapped = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (mapped == MAP_FAILED) return failed(Step::map_memory);
    own.slot = static_cast<int>(number(slot));
    auto *score = static_cast<worker_score *>(mapped);
    ap_scoreboard_image->servers[own.slot] = score;
    // As httpd itself has it at the step from starting to ready; it would then write what is not this process's to write.
    score->thread_num = own.slot;
    score->status = SERVER_READY;
    return success;
}

Result see_all_pages(os::Fd folder) {
    if (own.slots == 0) return success;
    void *const others = mmap(nullptr, own.slots * page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    own.looked = static_cast<std::uint32_t *>(calloc(renewals(own.slots), sizeof(std::uint32_t)));
    if (others == MAP_FAILED || own.looked == nullptr) return failed(Step::map_memory);
    own.others = static_cast<char *>(others);
    own.folder = std::move(folder);
    for (std::uint32_t i = 0; i < own.slots; i++)
        if (static_cast<int>(i) != own.slot)
            ap_scoreboard_image->servers[i] = reinterpret_cast<worker_score *>(own.others + i * page_size);
    look_again();
    return success;
}

void look_again() {
    if (own.others == nullptr) return;
    const std::uint32_t of_any = std::atomic_ref(own.renewals[0]).load(std::memory_order_acquire);
    if (of_any == own.looked[0]) return;
    bool has_all = true;
    for (std::uint32_t i = 0; i < own.slots; i++) {
        const std::uint32_t renewal = own.renewals[1 + i];
        if (renewal == own.looked[1 + i] || static_cast<int>(i) == own.slot) continue;
        char name[16];
        name_of(name, i);
        os::Fd page;
        // It may just be being renewed.
        const bool is_there =
            os::open_file_to_read(own.folder.get(), name, page).ok() &&
            mmap(own.others + i * page_size, page_size, PROT_READ, MAP_SHARED | MAP_FIXED, page.get(), 0) != MAP_FAILED;
        if (is_there)
            own.looked[1 + i] = renewal;
        else
            has_all = false;
    }
    if (has_all) own.looked[0] = of_any;
}

Kept kept_memory() {
    if (own.others == nullptr) return {};
    Kept &kept = kept_behind(own.renewals, own.slots);
    return {std::atomic_ref(kept.identities).load(std::memory_order_relaxed),
            std::atomic_ref(kept.kib).load(std::memory_order_relaxed)};
}

bool may_see_status(std::uint32_t uid) {
    const ConfigState &state = config_state();
    if (!state.names_status_readers) return uid == ap_unixd_config.user_id;
    for (int i = 0; i < state.status_readers->nelts; i++)
        if (APR_ARRAY_IDX(state.status_readers, i, std::uint32_t) == uid) return true;
    return false;
}

} // namespace itk2::httpd
