"""The identity of a virtual host: today, by the mechanism that is in force, and under mpm-itk2. Asks the tree only."""
from . import accounts
from .accounts import Identity

ITK = ("mpm_itk.c",)
ITK2 = ("mpm_itk2.c",)
RUID2 = ("mod_ruid2.c",)
PERUSER = ("peruser.c",)
ITK_NAMES = ("assignuserid", "assignuseridexpr", "assigngroupidexpr", "maxclientsvhost", "nicevalue", "limituidrange",
             "limitgidrange", "enablecapabilities")
IDENTITY_NAMES = ("assignuserid", "assignuseridexpr", "assigngroupidexpr", "ruidgid")
RUID2_NAMES = ("rmode", "ruidgid", "rgroups", "rdefaultuidgid", "rminuidgid", "rdocumentchroot")
RUID2_LEAST = 100  # of uid and gid, where no RMinUidGid counts


def mechanism_of(tree):
    """Who chooses identities in a server with these modules."""
    for mechanism, names in (("itk2", ITK2), ("mpm-itk", ITK), ("mod_ruid2", RUID2), ("peruser", PERUSER)):
        if tree.has_module(*names):
            return mechanism
    return "User"


def nearest(virtual_host, main, *names):
    """The directive that counts for a virtual host: its own last one, else the main server's."""
    return virtual_host.last(*names) or main.last(*names)


def two_words(directive):
    given = directive.words() if directive else []
    return (given[0], given[1]) if len(given) >= 2 else None


class Server:
    """The main server's User and Group, and what follows for its virtual hosts."""

    def __init__(self, tree):
        self.tree, self.hosts = tree, tree.virtual_hosts()
        self.main, self.mechanism = self.hosts[0], mechanism_of(tree)
        user, group = self.main.last("user"), self.main.last("group")
        self.user = user.words()[0] if user and user.words() else "#-1"
        self.group = group.words()[0] if group and group.words() else "#-1"

    def fallback(self):
        return Identity("User", self.user, self.group)

    def identity(self, host):
        """Of the virtual host's own level."""
        return {"itk2": self._itk2, "mpm-itk": self._itk, "mod_ruid2": self._ruid2, "peruser": self._peruser,
                "User": lambda _: self.fallback()}[self.mechanism](host)

    # -- mpm-itk, and what mpm-itk2 adds to it ---------------------------------------------------------------------

    def _by_expression(self, host, mechanism):
        found = nearest(host, self.main, "assignuseridexpr") or nearest(host, self.main, "assigngroupidexpr")
        if found:
            return Identity(mechanism, text="by request: %s %s" % (found.name, found.arguments))
        return None

    def _itk(self, host):
        expression = self._by_expression(host, "mpm-itk")
        named = two_words(nearest(host, self.main, "assignuserid"))
        return expression or (Identity("mpm-itk", *named) if named else self.fallback())

    def _itk2(self, host):
        expression = self._by_expression(host, "itk2")
        if expression:
            return expression
        own = two_words(host.last("assignuserid", "ruidgid"))
        mode = self._mode(nearest(host, self.main, "identitymode", "rmode"))
        if own or mode == "config":
            named = own or two_words(self.main.last("assignuserid", "ruidgid"))
            return Identity("itk2", *named) if named else self.fallback()
        if mode == "owner":
            return self._owner(host, "itk2", "owner of ")
        if mode == "suexec":
            program = two_words(nearest(host, self.main, "suexecusergroup"))
            return Identity("itk2", *program) if program else self.fallback()
        return Identity("itk2", text="owner of what each request asks for")

    @staticmethod
    def _mode(directive):
        given = directive.words() if directive else ["config"]
        mode = given[0].lower() if given else ""
        return "owner" if mode == "stat" else mode

    def _owner(self, host, mechanism, words):
        root = nearest(host, self.main, "documentroot")
        path = root.words()[0] if root and root.words() else ""
        owner = accounts.owner_of(path) if path else None
        if owner is None:
            return Identity(mechanism, text="%s%s" % (words, path or "the document root"))
        return Identity(mechanism, *owner)

    # -- mod_ruid2 -------------------------------------------------------------------------------------------------

    def _ruid2(self, host):
        # A virtual host with any directive of mod_ruid2 at its own level has a mode and limits of its own.
        level = host if host.last(*RUID2_NAMES) else self.main
        mode = level.last("rmode")
        if mode and [word.lower() for word in mode.words()] == ["stat"]:
            return Identity("mod_ruid2", text="owner of each file")
        user, group = (two_words(nearest(host, self.main, "ruidgid")) or (self.user, self.group))
        least = two_words(level.last("rminuidgid"))
        least_uid = accounts.uid_of(least[0]) if least else RUID2_LEAST
        least_gid = accounts.gid_of(least[1]) if least else RUID2_LEAST
        default = two_words(level.last("rdefaultuidgid")) or (self.user, self.group)
        if _is_below(accounts.uid_of(user), least_uid):
            user = default[0]
        if _is_below(accounts.gid_of(group), least_gid):
            group = default[1]
        return Identity("mod_ruid2", user, group)

    # -- peruser ---------------------------------------------------------------------------------------------------

    def processors(self):
        """<Processor NAME> sections: name -> (user, group, the section)."""
        found = {}
        for section in self.main.own:
            if section.is_called("<processor"):
                values = {child.name.lower(): child.words() for child in section.children}
                name = section.arguments.rstrip(">").strip().strip("\"'")
                user, group = values.get("user"), values.get("group")
                if user and group:
                    found[name] = (user[0], group[0], section)
        return found

    def peruser_named(self, host):
        """(directive, (user, group) or None, chroot or None) of a virtual host; None: it names nothing."""
        directive = host.last("serverenvironment", "processor")
        if directive is None or host is self.main:
            return None
        given = directive.words()
        if len(given) == 1:
            known = self.processors().get(given[0])
            if not known:
                return directive, None, None
            chroot = [child for child in known[2].children if child.is_called("chroot")]
            return directive, known[:2], (chroot[-1].arguments if chroot else None)
        return directive, (given[0], given[1]) if given else None, given[2] if len(given) > 2 else None

    def _peruser(self, host):
        named = self.peruser_named(host)
        return Identity("peruser", *named[1]) if named and named[1] else self.fallback()


def _is_below(number, least):
    return number is not None and least is not None and number < least
