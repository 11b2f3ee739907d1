# What quickstart and runtests share: one line per step, apt without its noise, building out of tree. Sourced by bash.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$top/build/logs
policy=/usr/sbin/policy-rc.d
policy_mark='# set by mpm-itk2 while it installs packages'

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# step LABEL LOG COMMAND...: runs the command with its output in LOG, showing that time passes; shows the end of the
# log and returns the command's status where it fails.
step() {
    local label=$1 log=$2 begin=$SECONDS told=0 status=0
    shift 2
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null &
    step_pid=$!
    while kill -0 "$step_pid" 2>/dev/null; do
        if [ -t 1 ]; then
            printf '\r\033[K  %s  %d s  %.60s' "$label" $((SECONDS - begin)) "$(tail -n 1 "$log" | tr -d '\r\033')"
        elif [ $((SECONDS - begin - told)) -ge 20 ]; then
            told=$((SECONDS - begin))
            printf '  %s  %d s  %.60s\n' "$label" "$told" "$(tail -n 1 "$log")"
        fi
        sleep 0.2
    done
    wait "$step_pid" || status=$?
    step_pid=
    [ -t 1 ] && printf '\r\033[K'
    if [ "$status" = 0 ]; then
        printf '  %-66s %4d s\n' "$label" $((SECONDS - begin))
    else
        printf '  %-66s failed\n' "$label"
        tail -n 40 "$log" | sed 's/^/  | /'
        printf '  the whole log: %s\n' "$log"
    fi
    return "$status"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Debian starts a service it has just installed, unless policy-rc.d says no.
forbid_services() {
    allow_services
    [ ! -e "$policy" ] || mv "$policy" "$policy.itk2-saved"
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
    chmod 755 "$policy"
}

# Puts back what forbid_services found; also what a run that was killed has left.
allow_services() {
    if grep -qsF "$policy_mark" "$policy"; then rm -f "$policy"; fi
    if [ -e "$policy.itk2-saved" ]; then mv "$policy.itk2-saved" "$policy"; fi
}

# install_missing PACKAGE...
install_missing() {
    local package missing=()
    command -v apt-get >/dev/null || die "this needs Debian or a descendant: there is no apt-get"
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "run it as root, or install first: ${missing[*]}"
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    step "reading the package lists" "$logs/apt-update.log" apt-get update -q || die "apt-get update failed"
    forbid_services
    step "installing ${#missing[@]} packages and what they need" "$logs/apt-install.log" \
        apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" ||
        { allow_services; die "apt-get install failed"; }
    allow_services
}

# prepare_configure: makes ./configure where it is missing or older than what it is made from.
prepare_configure() {
    [ ! -e "$top/config.status" ] || die "this tree was configured in place: run \`make distclean\` in it first"
    local made=$top/configure input
    for input in configure.ac Makefile.am m4/itk2.m4; do
        if [ ! -e "$made" ] || [ ! -e "$top/Makefile.in" ] || [ "$top/$input" -nt "$made" ] || [ "$top/$input" -nt "$top/Makefile.in" ]; then
            step "autoreconf" "$logs/autoreconf.log" autoreconf -fi "$top" || die "autoreconf failed"
            touch "$made" "$top/Makefile.in"
            return
        fi
    done
}

# build DIRECTORY CONFIGURE-ARGUMENT...: configures once and makes everything.
build() {
    local directory=$top/build/$1 name=$1
    shift
    mkdir -p "$directory"
    if [ ! -e "$directory/Makefile" ] || [ "$top/configure" -nt "$directory/config.status" ]; then
        (cd "$directory" && step "configure ($name)" "$logs/configure-$name.log" "$top/configure" --quiet "$@") ||
            die "configure failed"
    fi
    step "make ($name)" "$logs/make-$name.log" make -C "$directory" -j"$(nproc)" || die "the build failed"
}
