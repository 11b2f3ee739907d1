// What it is: a parser's own user namespace, and its id map, by which the master lets it become one identity.
// Runs as: root in a freshly forked child, then the parser; write_grant and probe_parsers: the master.
// Each step fails closed: on any Result but success the parser ends. Trusts: the kernel.
// Distrusts: the parser, from its first client byte on; and whoever may get the parsers' uid.
#pragma once

#include "os/credentials.h"

namespace itk2::os {

// Before the grant no id is mapped: SETUID and SETGID move a parser nowhere, nor does a user namespace inside its own
// (the kernel makes none for an id without a mapping). Only who has SYS_ADMIN over the namespace may write its map, and
// the kernel takes one map, once, for good. The parser has not; so who has?
// * Root around the namespace: the master.
// * A process around it whose euid is that of the namespace's maker. The parsers' account must not be the maker: a
//   parser could leave a set-uid file behind, and any local user who starts it would be that process: with all
//   capabilities in every parser's namespace he could enter it, and trace what its worker starts. So root makes the
//   namespace, and the parser enters it as nothing but its account.
// What is left to a process with the parsers' uid: it can end, stop or slow down parsers that have become nothing
// yet, and lower their resource limits, which os/allowance notices. Their memory and their maps are closed to it: they
// are not dumpable.
//
// A process in a namespace stays in it as a worker. To it all ids but its own look like the overflow id (65534), set-uid
// and set-gid programs of others run as itself.

// From root: real, effective, saved and fs ids these; no supplementary group; in a user namespace of its own, made by
// root, with empty maps; SETUID and SETGID permitted and effective there; the other three sets empty; NOROOT locked.
// Dumps forbidden; dies with `parent`. Needs SYS_ADMIN, SETUID, SETGID.
// Steps: one_thread, new_namespace, set_*, drop_bounding, parent_*, verify_*.
Result become_parser(uid_t uid, gid_t gid, pid_t parent);
// Ids are invisible from inside: that they look unmapped, that both maps are empty, and that they are of no use.
Result verify_parser();

// The master's: lets this parser, a child not yet reaped, become these ids and no others, ever. The parser must be told
// after it; on failure it must be ended, as half of it may hold. Needs SYS_ADMIN, SETUID, SETGID; SETFCAP for uid 0.
// Steps write_gid_map (E2BIG: more groups than a map holds; EPERM: there is a map already), write_uid_map,
// verify_namespace.
Result write_grant(pid_t pid, const Ids &ids);
// That the parser's maps are these ids, each mapped to itself, and nothing else. Also from inside, with pid 0.
Result verify_grant(pid_t pid, const Ids &ids);

// From a parser with its grant, for good: ids and groups exactly these, all five capability sets empty, only these ids
// mapped. Dumps forbidden; dies with `parent`. Then tries the ways back, each of which must be refused.
// Steps: one_thread, set_*, parent_*, verify_*.
Result become_granted(const Ids &ids, pid_t parent);
Result verify_granted(const Ids &ids);

// Whether all of this works here: a child is taken through it to these ids, and a second grant refused. The child is
// ended and reaped; it has a few seconds. Steps: those above, make_channel, fork_child, peer_closed (the child died).
Result probe_parsers(uid_t uid, gid_t gid, const Ids &ids);

} // namespace itk2::os
