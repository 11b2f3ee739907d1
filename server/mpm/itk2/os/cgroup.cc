// What it is: see cgroup.h: pools. cgroup_tree.cc has the server's own directory.
#include "os/cgroup.h"

#include "os/cgroup_tree.h"
#include "os/text_file.h"

#include <unistd.h>

#include <cctype>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace itk2::os {

namespace {

constexpr std::uint64_t cpu_period_us = 100'000;
constexpr std::uint64_t usual_shares = 1024; // what version 1 calls that weight

constexpr std::size_t memory_place = 0;
constexpr std::size_t cpu_place = 1;
constexpr std::size_t pids_place = 2;

using Text = std::array<char, 48>;

// A file of the kernel's and what it is to hold.
struct Setting {
    std::size_t controller;
    const char *file;
    Text text;
    bool may_be_missing = false; // a kernel without swap accounting
};

Text word(const char *word) {
    Text text;
    snprintf(text.data(), text.size(), "%s", word);
    return text;
}

Text number_or(const char *none, std::uint64_t value) {
    if (value == 0) return word(none);
    Text text;
    snprintf(text.data(), text.size(), "%" PRIu64, value);
    return text;
}

// What version 2 calls so many percent of a processor.
Text quota(std::uint64_t percent) {
    Text text;
    snprintf(text.data(), text.size(), "%.20s %" PRIu64, number_or("max", percent * cpu_period_us / 100).data(),
             cpu_period_us);
    return text;
}

// The kernel counts in pages.
std::uint64_t whole_pages(std::uint64_t bytes) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return bytes / page * page;
}

using Settings = std::array<Setting, 6>;

Settings settings_of_version_2(const PoolLimits &limits) {
    const std::uint64_t memory = whole_pages(limits[Limit::memory]);
    const std::uint64_t weight = limits[Limit::weight];
    return {{
        // Memory that could go to swap instead would have no limit.
        {memory_place, "memory.swap.max", word(memory == 0 ? "max" : "0"), true},
        {memory_place, "memory.max", number_or("max", memory)},
        {cpu_place, "cpu.max", quota(limits[Limit::cpu])},
        {cpu_place, "cpu.weight", number_or("", weight == 0 ? usual_weight : weight)},
        {pids_place, "pids.max", number_or("max", limits[Limit::processes])},
        {},
    }};
}

// In an order the kernel takes whatever the values were before: memory with swap is never less than memory.
Settings settings_of_version_1(const PoolLimits &limits) {
    const std::uint64_t memory = whole_pages(limits[Limit::memory]);
    const std::uint64_t cpu = limits[Limit::cpu];
    const std::uint64_t weight = limits[Limit::weight] == 0 ? usual_weight : limits[Limit::weight];
    return {{
        {memory_place, "memory.memsw.limit_in_bytes", word("-1"), true},
        {memory_place, "memory.limit_in_bytes", number_or("-1", memory)},
        {memory_place, "memory.memsw.limit_in_bytes", number_or("-1", memory), true},
        {cpu_place, "cpu.cfs_quota_us", number_or("-1", cpu * cpu_period_us / 100)},
        {cpu_place, "cpu.shares", number_or("", weight * usual_shares / usual_weight)},
        {pids_place, "pids.max", number_or("max", limits[Limit::processes])},
    }};
}

Settings settings_of(const Cgroups &cgroups, const PoolLimits &limits) {
    return cgroups.place.is_unified ? settings_of_version_2(limits) : settings_of_version_1(limits);
}

bool uses(const Cgroups &cgroups, const Setting &setting) {
    return setting.file != nullptr && (cgroups.controllers >> setting.controller & 1) != 0;
}

Result path_of(const Cgroups &cgroups, const PoolName &pool, const Setting &setting, CgroupPath &path) {
    return cgroup_file(cgroups, setting.controller, pool.data(), setting.file, path);
}

Result set(const Cgroups &cgroups, const PoolName &pool, const Setting &setting) {
    CgroupPath path;
    if (const Result result = path_of(cgroups, pool, setting, path); !result.ok()) return result;
    if (setting.may_be_missing && access(path.data(), F_OK) != 0) return success;
    return write_text(path.data(), setting.text.data(), Step::limit_cgroup);
}

// Version 1 shows "no limit" of memory as the greatest number of whole pages.
bool is_unlimited(std::string_view text) { return leading_number(text) > INT64_MAX / 2; }

Result verify(const Cgroups &cgroups, const PoolName &pool, const Setting &setting) {
    CgroupPath path;
    if (const Result result = path_of(cgroups, pool, setting, path); !result.ok()) return result;
    if (setting.may_be_missing && access(path.data(), F_OK) != 0) return success;
    TextFile file;
    if (const Result result = file.read(path.data(), Step::limit_cgroup); !result.ok()) return result;
    std::string_view rest = file.text();
    const std::string_view found = take_word(rest, '\n');
    const std::string_view wanted = setting.text.data();
    const bool is_right = found == wanted || (wanted == "-1" && is_unlimited(found));
    return is_right ? success : refused(Step::limit_cgroup);
}

// A later setting of the same file is the one that holds.
bool is_overwritten(const Settings &settings, std::size_t place) {
    for (std::size_t later = place + 1; later < settings.size(); later++)
        if (settings[later].file != nullptr && strcmp(settings[later].file, settings[place].file) == 0) return true;
    return false;
}

} // namespace

PoolName pool_name(const char *user, std::uint32_t number) {
    PoolName name{};
    // Never a name of the kernel's own files, as "memory.max" would be.
    snprintf(name.data(), name.size(), "pool-%.40s-%u", user, number);
    for (char &letter : name)
        if (letter != '\0' && isalnum(static_cast<unsigned char>(letter)) == 0 && strchr("._-", letter) == nullptr)
            letter = '_';
    return name;
}

Result limit_pool(const Cgroups &cgroups, const PoolName &pool, const PoolLimits &limits) {
    if (const Result result = make_cgroup(cgroups, pool.data()); !result.ok()) return result;
    for (const Setting &setting : settings_of(cgroups, limits)) {
        if (!uses(cgroups, setting)) continue;
        if (const Result result = set(cgroups, pool, setting); !result.ok()) return result;
    }
    return verify_pool_limits(cgroups, pool, limits);
}

Result verify_pool_limits(const Cgroups &cgroups, const PoolName &pool, const PoolLimits &limits) {
    const Settings settings = settings_of(cgroups, limits);
    for (std::size_t i = 0; i < settings.size(); i++) {
        if (!uses(cgroups, settings[i]) || is_overwritten(settings, i)) continue;
        if (const Result result = verify(cgroups, pool, settings[i]); !result.ok()) return result;
    }
    return success;
}

Result enter_pool(const Cgroups &cgroups, const PoolName &pool, pid_t pid) {
    if (const Result result = enter_cgroup(cgroups, pool.data(), pid); !result.ok()) return result;
    return verify_in_pool(cgroups, pool, pid);
}

Result verify_in_pool(const Cgroups &cgroups, const PoolName &pool, pid_t pid) {
    return verify_in_cgroup(cgroups, pool.data(), pid);
}

std::uint64_t memory_kills(const Cgroups &cgroups, const PoolName &pool) {
    const char *file = cgroups.place.is_unified ? "memory.events" : "memory.oom_control";
    CgroupPath path;
    TextFile events;
    if ((cgroups.controllers & memory_controller) == 0 ||
        !cgroup_file(cgroups, memory_place, pool.data(), file, path).ok() ||
        !events.read(path.data(), Step::limit_cgroup).ok())
        return 0;
    for (std::string_view rest = events.text(); !rest.empty();) {
        std::string_view line = take_word(rest, '\n');
        if (take_word(line, ' ') == "oom_kill") return leading_number(line);
    }
    return 0;
}

// First where forks are counted: nobody escapes by them.
Result end_pool(const Cgroups &cgroups, const PoolName &pool) {
    Result first = success;
    for (std::size_t place = controller_count; place-- > 0;) {
        if (!is_hierarchy(cgroups, place)) continue;
        CgroupPath directory;
        Result result = cgroup_file(cgroups, place, pool.data(), nullptr, directory);
        if (result.ok()) result = end_members(directory.data());
        if (first.ok()) first = result;
    }
    return first;
}

Result remove_pool(const Cgroups &cgroups, const PoolName &pool) {
    Result first = success;
    for (std::size_t place = 0; place < controller_count; place++) {
        if (!is_hierarchy(cgroups, place)) continue;
        CgroupPath directory;
        Result result = cgroup_file(cgroups, place, pool.data(), nullptr, directory);
        if (result.ok()) result = remove_directory(directory.data());
        if (first.ok()) first = result;
    }
    return first;
}

} // namespace itk2::os
