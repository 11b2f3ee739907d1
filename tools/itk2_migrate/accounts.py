"""Users and groups: what httpd makes of a name or a #number, as an identity for people and for comparing."""
import grp
import os
import pwd


def uid_of(name):
    """The uid, or None: there is no such user."""
    try:
        return int(name[1:]) if name.startswith("#") else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError, UnicodeError):
        return None


def gid_of(name):
    try:
        return int(name[1:]) if name.startswith("#") else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError, UnicodeError):
        return None


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return "#%d" % uid


def group_name(gid):
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return "#%d" % gid


def primary_group(user):
    """The name of a user's own group, or None."""
    try:
        return group_name(pwd.getpwnam(user).pw_gid)
    except (KeyError, UnicodeError):
        return None


class Identity:
    """Who something runs as. `text` instead of user and group where only a request tells."""

    def __init__(self, mechanism, user=None, group=None, text=None):
        self.mechanism, self.user, self.group, self.text = mechanism, user, group, text
        self.uid = uid_of(user) if user else None
        self.gid = gid_of(group) if group else None

    def is_same(self, other):
        """Whether both are known and the same ids."""
        return None not in (self.uid, self.gid) and (self.uid, self.gid) == (other.uid, other.gid)

    def is_missing(self):
        """Whether it names somebody who is not there."""
        return self.is_fixed() and None in (self.uid, self.gid)

    def is_fixed(self):
        return self.text is None

    def shown(self):
        if self.text:
            return self.text
        missing = [what for what, name, number in (("user", self.user, self.uid), ("group", self.group, self.gid))
                   if number is None]
        return "%s:%s%s" % (self.user, self.group, " (no such %s)" % " and ".join(missing) if missing else "")

    def described(self):
        """For --json."""
        described = {"mechanism": self.mechanism, "user": self.user, "group": self.group, "uid": self.uid,
                     "gid": self.gid}
        if self.text:
            described["text"] = self.text
        return described


def owner_of(path):
    """"user", "group" of a directory, or None: it cannot be looked at."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return user_name(status.st_uid), group_name(status.st_gid)
