// What it is: see pool_cgroups.h.
#include "role/pool_cgroups.h"

#include "httpd/log.h"
#include "httpd/settings.h"

#include <cstdlib>

namespace itk2::role {
namespace {

constexpr std::int64_t removal_every_ms = 1000;

os::PoolName name_of(IdentityKey identity) { return os::pool_name(httpd::identity(identity).name, number(identity)); }

} // namespace

bool PoolCgroups::reserve(std::uint32_t identities) {
    if (identities <= capacity_) return true;
    auto *grown = static_cast<Pool *>(realloc(pools_, identities * sizeof(Pool)));
    if (grown == nullptr) return false;
    pools_ = grown;
    for (; capacity_ < identities; capacity_++) pools_[capacity_] = Pool{};
    return true;
}

Result PoolCgroups::begin() {
    is_open_ = false;
    if (const Result result = os::open_cgroups(httpd::needed_controllers(), cgroups_); !result.ok()) return result;
    is_open_ = true;
    os::remove_abandoned_cgroups(cgroups_);
    for (std::uint32_t i = 0; i < capacity_; i++)
        if (pools_[i].is_made) relimit(IdentityKey{i}, pools_[i]);
    return success;
}

void PoolCgroups::relimit(IdentityKey identity, Pool &pool) {
    const PoolLimits limits = httpd::pool_limits(identity);
    const Result result = os::limit_pool(cgroups_, name_of(identity), limits);
    if (result.ok())
        pool.limits = limits;
    else
        httpd::log(httpd::LogId::pool_not_limited, httpd::identity(identity).name, step_name(result.step),
                   httpd::error_words(result), result.error);
}

Result PoolCgroups::place(IdentityKey identity, pid_t pid) {
    const PoolLimits limits = httpd::pool_limits(identity);
    if (controllers_for(limits) == 0) return success;
    if (!is_open_ || number(identity) >= capacity_) return refused(Step::make_cgroup);
    Pool &pool = pools_[number(identity)];
    const os::PoolName name = name_of(identity);
    if (!pool.is_made || pool.limits != limits) {
        if (const Result result = os::limit_pool(cgroups_, name, limits); !result.ok()) return result;
        pool.limits = limits;
        pool.is_made = true;
        pool.memory_kills = os::memory_kills(cgroups_, name);
    }
    if (pool.is_cold) cold_--;
    pool.is_cold = false;
    return os::enter_pool(cgroups_, name, pid);
}

bool PoolCgroups::has_run_out_of_memory(IdentityKey identity) {
    if (number(identity) >= capacity_ || !pools_[number(identity)].is_made) return false;
    Pool &pool = pools_[number(identity)];
    const std::uint64_t before = pool.memory_kills;
    pool.memory_kills = os::memory_kills(cgroups_, name_of(identity));
    return pool.memory_kills > before;
}

void PoolCgroups::note_cold(IdentityKey identity) {
    if (number(identity) >= capacity_) return;
    Pool &pool = pools_[number(identity)];
    if (!pool.is_made || pool.is_cold) return;
    pool.is_cold = true;
    cold_++;
}

void PoolCgroups::remove_cold(std::int64_t now_ms) {
    if (cold_ == 0 || now_ms < next_removal_ms_) return;
    next_removal_ms_ = now_ms + removal_every_ms;
    for (std::uint32_t i = 0; i < capacity_; i++) {
        if (!pools_[i].is_cold || !os::remove_pool(cgroups_, name_of(IdentityKey{i})).ok()) continue;
        pools_[i] = Pool{};
        cold_--;
    }
}

void PoolCgroups::end_all() {
    for (std::uint32_t i = 0; i < capacity_; i++) {
        if (!pools_[i].is_made) continue;
        const os::PoolName name = name_of(IdentityKey{i});
        Result result = os::end_pool(cgroups_, name);
        if (result.ok()) result = os::remove_pool(cgroups_, name);
        if (result.ok())
            pools_[i] = Pool{};
        else
            httpd::log(httpd::LogId::cgroups_not_removed, step_name(result.step), httpd::error_words(result),
                       result.error);
    }
    cold_ = 0;
}

Result PoolCgroups::close() {
    is_open_ = false;
    free(pools_);
    pools_ = nullptr;
    capacity_ = 0;
    return os::close_cgroups(cgroups_);
}

} // namespace itk2::role
