"""What today's server does not keep: {check: (roles, why)}. An entry for which nothing is found any more has to go."""

EXPECTED = {
    "shared-memory": ("scribe spare parser worker", "the scoreboard is one for all; a test sees that it is that alone"),
}
