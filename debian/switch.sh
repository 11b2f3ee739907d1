# Changes httpd's MPM, and back, so that at no moment a site that names its user could be served by an MPM that does not
# know of it. Sourced by postinst and prerm after apache2-maintscript-helper.
# shellcheck shell=sh

mods_available=/etc/apache2/mods-available
mods_enabled=/etc/apache2/mods-enabled
required=/etc/apache2/conf-enabled/mpm_itk2_required.conf
before=/var/lib/libapache2-mpm-itk2/before
modules=/usr/lib/apache2/modules

is_on() { [ -e "$mods_enabled/$1.load" ]; }

# Prints how many directives that name a user are in force; fails where the configuration cannot be read. Leaves
# mpm_itk2_required out of account.
identities() {
    identities_config=$(apache2ctl -C "LoadModule info_module $modules/mod_info.so" "$@" -D itk2_not_required \
        -t -D DUMP_CONFIG 2>/dev/null) || return 1
    printf '%s\n' "$identities_config" | grep -ciE '^ *(Assign(User|Group)ID(Expr)?|RUidGid|RMode|IdentityMode)[[:space:]]' || :
}

# Prints the master's pid; fails where there is none.
runs() {
    # shellcheck disable=SC1091 # Debian's own
    runs_pid=$(. /etc/apache2/envvars && cat "$APACHE_PID_FILE" 2>/dev/null) && kill -0 "$runs_pid" 2>/dev/null &&
        echo "$runs_pid"
}

# stays_up: a master whose start fails after it has gone to the background is gone within a moment.
stays_up() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.3
        if runs >/dev/null; then stays_up_count=$((${stays_up_count:-0} + 1)); else stays_up_count=0; fi
        [ "$stays_up_count" -lt 4 ] || return 0
    done
    return 1
}

# A stop and a start: a listener outlives every reload, and does not take another version's module.
restart_fully() {
    APACHE2_NEED_ACTION=1
    apache2_reload restart
}

tell() { apache2_msg "$1" "libapache2-mpm-itk2: $2"; }

# What purge has left in the place of the link.
drop_left_behind() {
    if [ -f "$required" ] && [ ! -L "$required" ]; then rm -f "$required"; fi
}

# Puts back what was in force before mpm_itk2, as far as it is still there.
put_back() {
    ! is_on mpm_itk2 || a2dismod -m -q mpm_itk2 >/dev/null || return 1
    while read -r put_back_mpm; do
        [ -e "$mods_available/$put_back_mpm.load" ] || continue
        case $put_back_mpm in
            mpm_itk)
                [ ! -e "$modules/mpm_itk.so" ] || a2enmod -m -q mpm_itk >/dev/null || return 1 ;;
            mpm_event | mpm_worker)
                # Refused where a module wants prefork, PHP's for one: prefork stays then.
                a2dismod -m -q mpm_prefork >/dev/null 2>&1 || continue
                a2enmod -m -q "$put_back_mpm" >/dev/null || a2enmod -m -q mpm_prefork >/dev/null || return 1 ;;
        esac
    done <"$before"
}

# undo_switch WHY: to what was before this try.
undo_switch() {
    tell err "$1; the MPM is left as it was"
    put_back || tell err "it could not be put back: look into $mods_enabled"
    [ "$had_required" = yes ] || a2disconf -m -q mpm_itk2_required >/dev/null || :
    [ -z "$ran" ] || runs >/dev/null || restart_fully
}

exchange_links() {
    a2enconf -m -q mpm_itk2_required >/dev/null || return 1
    for exchange_mpm in mpm_itk mpm_event mpm_worker; do
        ! is_on "$exchange_mpm" || a2dismod -m -q "$exchange_mpm" >/dev/null || return 1
    done
    a2enmod -m -q mpm_itk2 >/dev/null
}

# From any MPM to mpm_itk2. From the first link changed to the last, the configuration does not start.
switch_to_itk2() {
    ran=$(runs) || ran=
    had_required=no
    drop_left_behind
    [ ! -e "$required" ] || had_required=yes
    named_before=$(identities) || named_before=unknown
    for switch_mpm in mpm_itk mpm_event mpm_worker; do
        ! is_on "$switch_mpm" || echo "$switch_mpm"
    done >"$before"

    exchange_links || { undo_switch "the modules could not be exchanged"; return 1; }
    if ! named=$(identities); then
        if [ "$named_before" = unknown ]; then
            tell warning "mpm_itk2 is enabled, but the configuration is broken, as it was before: apache2ctl configtest"
            return 0
        fi
        apache2ctl configtest >&2 || :
        undo_switch "the configuration, which was good, does not start with mpm_itk2"
        return 1
    fi
    restart_fully
    [ -z "$ran" ] || stays_up || { undo_switch "apache2 does not start with mpm_itk2: see its error log"; return 1; }
    tell info "mpm_itk2 is enabled; directives that name a user: $named"
    [ -z "$ran" ] || [ "$ran" != "$(runs)" ] || tell warning "the server was not allowed to restart: stop and start it"
}

# mpm_itk has come while mpm_itk2 is in force: both at once do not start.
keep_mpm_itk_out() {
    if is_on mpm_itk2 && is_on mpm_itk; then
        a2dismod -m -q mpm_itk >/dev/null
        grep -qsx mpm_itk "$before" || echo mpm_itk >>"$before"
        tell warning "mpm_itk2 stays in force, and mpm_itk is disabled; to go back to it, remove libapache2-mpm-itk2"
    fi
}

# From mpm_itk2 to what was before. Where a site would lose its user by that, nothing is started: the server that runs
# goes on, and mpm_itk2_required keeps another one from starting.
switch_back() {
    was_on=no
    if is_on mpm_itk2; then
        was_on=yes
        named=$(identities) || named=unknown
        put_back || { tell err "the modules could not be exchanged: look into $mods_enabled"; return 1; }
    elif [ -e "$required" ]; then
        named=$(identities -C "Include $mods_available/mpm_itk2.load") || named=unknown
    fi
    if [ -e "$required" ]; then
        named_after=$(identities) || named_after=unknown
        if [ "$named" = unknown ] || [ "$named_after" != "$named" ]; then
            # It would start with mpm_itk, for most sites.
            [ "$was_on" = no ] || ! is_on mpm_itk || a2dismod -m -q mpm_itk >/dev/null
            tell err "apache2 is not restarted, and will not start: directives that name a user: $named; after this: $named_after"
            tell err "such sites would run as www-data. Install libapache2-mpm-itk, or see $required"
            return 0
        fi
        a2disconf -m -q mpm_itk2_required >/dev/null
    fi
    [ "$was_on" = no ] || restart_fully
}
