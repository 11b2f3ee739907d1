// What it is: an identity as plain data, and the rules about which ones may be configured.
// Pure: names are resolved elsewhere (httpd/accounts), once, when the configuration is read.
#pragma once

#include "base/ids.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2::plan {

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::span<const gid_t> groups; // supplementary groups, sorted, without duplicates; memory is its maker's
    int nice = 0;
    const char *name = ""; // for the log and the process title: "user" or "#1234"
};

bool equal(const Identity &a, const Identity &b);

// An inclusive range of ids that may be configured (LimitUIDRange, LimitGIDRange).
struct IdRange {
    std::uint32_t least = 1;
    std::uint32_t most = UINT32_MAX - 1;
    [[nodiscard]] constexpr bool holds(std::uint32_t id) const { return id >= least && id <= most; }
    friend constexpr bool operator==(const IdRange &, const IdRange &) = default;
};

struct Reserved { // accounts no site may have
    uid_t listener_uid;
    gid_t listener_gid;
    uid_t spare_uid;
    gid_t spare_gid;
    uid_t parser_uid;
    gid_t parser_gid;
};

enum class Refusal : std::uint8_t {
    none,
    uid_out_of_range,
    gid_out_of_range,
    group_out_of_range,
    listener_account,
    spare_account,
    parser_account,
    no_id
};

// Whether a site may have this identity.
[[nodiscard]] Refusal check(const Identity &identity, IdRange uids, IdRange gids, const Reserved &reserved);

} // namespace itk2::plan
