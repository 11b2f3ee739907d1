// What it is: names of users and groups turned into numbers, and the accounts that no site may have.
// Runs as: the master, while the configuration is read; never later (NSS may fail later, and changes nothing then).
#pragma once

#include "httpd/apache.h"
#include "plan/identity.h"

#include <sys/types.h>

#include <span>

namespace itk2::httpd {

struct Account {
    const char *name = nullptr; // as passwd spells it; "#1234" where it has no entry
    uid_t uid = 0;
    gid_t gid = 0; // its own group; where it has no entry: the gid of the same number
    bool has_entry = false;
};

// Until the pool goes, the files of the account database answer what they tell, as they are now: see account_files.h.
void read_account_files(apr_pool_t *ptemp);

// `text`: a user's name, or #UID. Null on success, else what is wrong, in words.
const char *find_account(apr_pool_t *pool, const char *text, Account &account);
// `text`: a group's name, or #GID.
const char *find_group(apr_pool_t *pool, const char *text, gid_t &gid);

// The account's supplementary groups and `gid`, sorted, without duplicates, in the pool's memory.
const char *find_groups(apr_pool_t *pool, const char *user, gid_t gid, std::span<const gid_t> &groups);

// What ListenerAccount, SpareAccount and ParserAccount name; null: not named.
struct OwnAccounts {
    const char *listener = nullptr;
    const char *spare = nullptr;
    const char *parser = nullptr;
};

// The accounts of listener, spares and parsers: those the directives name, else itk2-listener, itk2-spare and
// itk2-parser where the machine has them, else ids of nobody, found once in the master's life: no passwd or group
// entry, no process and none of `taken` has them. Null on success, else what is wrong.
const char *find_reserved(apr_pool_t *pool, const OwnAccounts &named, std::span<const plan::Identity> taken,
                          plan::Reserved &reserved);

} // namespace itk2::httpd
