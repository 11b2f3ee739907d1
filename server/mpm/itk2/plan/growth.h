// What it is: how many more workers a pool wants whose connections wait.
// A worker that answers in a tenth of a millisecond is worth waiting for; a process more only costs memory and cache.
// Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace itk2::plan {

struct Pressure {
    std::uint32_t workers = 0;    // that serve, busy or not
    std::uint32_t waiting = 0;    // connections in the queue
    std::uint32_t served = 0;     // connections that workers were done with since the last look
    std::uint32_t elapsed_ms = 0; // since the last look
    std::uint32_t asked = 0;      // workers that are to come
    std::uint32_t rate = 0;       // connections a second when the pool grew last, if that is not long ago; else 0
};

constexpr std::uint32_t rate_of(const Pressure &pressure) {
    if (pressure.elapsed_ms == 0) return 0;
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::uint64_t{pressure.served} * 1000 / pressure.elapsed_ms, UINT32_MAX));
}

// Up to here whoever waits for more than a look gets a worker: a few cores want a few processes.
inline constexpr std::uint32_t few_workers = 8;
// Beyond: workers that take less than this for a connection hardly wait for anything but the processor, of which more
// processes make no more; their queue may take its time. Others may be waiting for a database: then more help.
inline constexpr std::uint32_t short_service_ms = 5;
inline constexpr std::uint32_t tolerable_wait_ms = 20;
inline constexpr std::uint32_t tolerable_wait_of_short_ms = 250;
// Those that came last have to make a difference of a tenth before more come; for so long.
inline constexpr std::uint32_t growth_counts_ms = 1000;

constexpr std::uint32_t more_workers(const Pressure &pressure) {
    if (pressure.workers < few_workers) return std::min(pressure.waiting, few_workers - pressure.workers);
    // Births take the processor that the others could use: one lot at a time.
    if (pressure.asked > 0) return 0;
    if (pressure.served > 0 && std::uint64_t{rate_of(pressure)} * 10 < std::uint64_t{pressure.rate} * 11) return 0;
    const std::uint64_t served = pressure.served;
    const std::uint64_t worked_ms = std::uint64_t{pressure.workers} * pressure.elapsed_ms;
    const bool is_short = worked_ms <= served * short_service_ms;
    const std::uint64_t wait = std::uint64_t{pressure.waiting} * pressure.elapsed_ms;
    if (served > 0 && wait <= served * (is_short ? tolerable_wait_of_short_ms : tolerable_wait_ms)) return 0;
    return std::min(pressure.waiting, pressure.workers);
}

// When to look again. A short look at many workers would mistake chance for a trend.
constexpr std::uint32_t next_look_ms(std::uint32_t workers) { return workers < few_workers ? 4 : 40; }

} // namespace itk2::plan
