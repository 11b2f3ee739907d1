"""What today's server does not keep: {check: (roles, why)}. An entry for which nothing is found any more has to go."""

EXPECTED = {
}
