"""What today's server does not keep: {check: (roles, why)}. An entry for which nothing is found any more has to go."""

EXPECTED = {
    "shared-memory": ("spare parser worker", "the scoreboard is one for all; a test sees that it is that alone"),
    "shared-log": ("listener spare parser worker", "workers hold the descriptors of all logs"),
    "shared-pipe": ("spare parser worker", "workers hold the descriptors of all piped logs"),
    "read-pipe": ("spare", "a spare holds the reading end of a piped log"),
    "manifest": ("spare", "a spare holds the reading end of a piped log"),
    "listener-filter": ("listener", "the listener is under no filter of system calls"),
}
