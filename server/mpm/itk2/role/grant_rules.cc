// What it is: see grant_rules.h.
#include "role/grant_rules.h"

#include "httpd/grants.h"
#include "httpd/settings.h"

#include <cstdlib>

namespace itk2::role {
namespace {

constexpr int least_nice = -20;
constexpr int most_nice = 19;

} // namespace

bool GrantRules::copy(Generation generation) {
    give_back();
    const std::uint32_t vhosts = httpd::vhost_count();
    const std::uint32_t identities = httpd::identity_count();
    vhosts_ = static_cast<plan::GrantRule *>(calloc(vhosts + 1, sizeof(plan::GrantRule)));
    identities_ = static_cast<bool *>(calloc(identities + 1, sizeof(bool)));
    if (vhosts_ == nullptr || identities_ == nullptr) {
        give_back();
        return false;
    }
    for (std::uint32_t i = 0; i < vhosts; i++) vhosts_[i] = httpd::rule_of(VhostIndex{i});
    for (std::uint32_t i = 0; i < identities; i++) identities_[i] = httpd::may_be_granted(IdentityKey{i});
    for (int nice = least_nice; nice <= most_nice; nice++)
        if (httpd::may_have_nice(nice)) nice_ |= std::uint64_t{1} << (nice - least_nice);
    generation_ = generation;
    vhost_count_ = vhosts;
    identity_count_ = identities;
    return true;
}

void GrantRules::give_back() {
    free(vhosts_);
    free(identities_);
    *this = GrantRules{};
}

plan::GrantRule GrantRules::rule(VhostIndex vhost) const {
    return number(vhost) < vhost_count_ ? vhosts_[number(vhost)] : plan::GrantRule{};
}

bool GrantRules::allow(IdentityKey key) const { return number(key) < identity_count_ && identities_[number(key)]; }

bool GrantRules::allow_nice(int nice) const {
    return nice >= least_nice && nice <= most_nice && (nice_ >> (nice - least_nice) & 1) != 0;
}

} // namespace itk2::role
