"""What today's server does not keep: {check: (roles, why)}. An entry for which nothing is found any more has to go."""

EXPECTED = {
    "shared-memory": ("spare parser worker", "workers share the memory of opcache, mod_ssl and the scoreboard"),
    "shared-lock": ("spare parser worker", "workers share opcache's lock file"),
    "shared-log": ("listener spare parser worker", "workers hold the descriptors of all logs"),
    "shared-pipe": ("spare parser worker", "workers hold the descriptors of all piped logs"),
    "read-pipe": ("spare", "a spare holds the reading end of a piped log"),
    "manifest": ("spare parser", "spares and parsers hold opcache's lock file and a piped log"),
    "listener-filter": ("listener", "the listener is under no filter of system calls"),
}
