"""Writing, with a way back: every file is replaced whole or not at all, and a failure leaves all of them as they were.

The new files are written beside the old ones first, and the old ones kept under a second name until httpd has accepted
the new ones; so going back needs no room on the disk. A backup of its own stays for --undo.
"""
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time

FORMAT = 1
MANIFEST = "manifest.json"


class CannotWrite(Exception):
    """Nothing has been changed, or all of it has been taken back; the text says why."""


class Stuck(CannotWrite):
    """Not everything could be taken back: the backup is needed."""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Replacement:
    """One file on its way: `path` (real), `before` (bytes it has to have), `after`."""

    def __init__(self, path, before, after):
        self.path, self.before, self.after = path, before, after
        folder, name = os.path.split(path)
        mark = os.path.join(folder, ".%s.itk2-migrate-%d" % (name[:200], os.getpid()))
        self.new, self.old = mark + ".new", mark + ".old"
        self.is_replaced = False

    def prepare(self):
        """The new file beside it, with its owner, mode and attributes."""
        self.clean()
        with open(self.new, "wb") as file:
            file.write(self.after)
            file.flush()
            os.fsync(file.fileno())
        status = os.stat(self.path)
        os.chown(self.new, status.st_uid, status.st_gid)
        os.chmod(self.new, status.st_mode & 0o7777)
        _copy_attributes(self.path, self.new)
        try:
            os.link(self.path, self.old)
        except OSError:
            shutil.copy2(self.path, self.old)

    def replace(self):
        if read(self.path) != self.before:
            raise CannotWrite("%s has changed meanwhile" % self.path)
        os.rename(self.new, self.path)
        self.is_replaced = True
        sync(os.path.dirname(self.path))

    def take_back(self):
        if self.is_replaced:
            os.rename(self.old, self.path)
            self.is_replaced = False
            sync(os.path.dirname(self.path))
        self.clean()

    def clean(self):
        for path in (self.new, self.old):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass


def _copy_attributes(source, target):
    """SELinux's context and what else is attached; what a file system refuses is not there on it."""
    for name in os.listxattr(source):
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.ENODATA):
                raise


def sync(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LinkChange:
    """A link that goes (`after` None) or comes (`before` None)."""

    def __init__(self, path, before, after):
        self.path, self.before, self.after = path, before, after

    def _set(self, old, new):
        if (os.readlink(self.path) if os.path.islink(self.path) else None) != old or \
                (old is None and os.path.lexists(self.path)):
            raise CannotWrite("%s has changed meanwhile" % self.path)
        if old is not None:
            os.unlink(self.path)
        if new is not None:
            os.symlink(new, self.path)

    def apply(self):
        self._set(self.before, self.after)

    def take_back(self):
        self._set(self.after, self.before)


class Backup:
    """A new directory below `base` that only root may look into: the files as they were, and what they became."""

    def __init__(self, base, replacements, links, configuration):
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(100):
            self.folder = os.path.join(base, stamp + ("-%d" % number if number else ""))
            try:
                os.mkdir(self.folder, 0o700)
                break
            except FileExistsError:
                continue
        try:
            self._fill(replacements, links, configuration)
        except BaseException:
            self.remove()
            raise

    def _fill(self, replacements, links, configuration):
        files = []
        for number, one in enumerate(replacements):
            name = "%d-%s" % (number, os.path.basename(one.path)[:200])
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(one.before)
                file.flush()
                os.fsync(file.fileno())
            files.append({"path": os.fsencode(one.path).hex(), "shown": one.path.encode("utf-8", "replace").decode(),
                          "copy": os.fsencode(name).hex(), "before": digest(one.before), "after": digest(one.after)})
        manifest = {"format": FORMAT, "configuration": configuration.encode("utf-8", "replace").decode(),
                    "files": files,
                    "links": [{"path": one.path, "before": one.before, "after": one.after} for one in links]}
        with open(os.path.join(self.folder, MANIFEST), "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        sync(self.folder)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def check_place(base, read_files):
    """Refuses a backup directory that httpd might read: below a directory it reads files from."""
    real = os.path.realpath(base)
    for folder in {os.path.dirname(os.path.realpath(path)) for path in read_files} | \
            {os.path.realpath(os.path.dirname(path)) for path in read_files}:
        if real == folder or real.startswith(folder.rstrip("/") + "/"):
            raise CannotWrite("--backup-dir %s is below %s, which httpd reads; choose a place outside" % (base, folder))


class Lock:
    """One run at a time."""

    def __init__(self, base):
        os.makedirs(base, mode=0o700, exist_ok=True)
        self._file = open(os.path.join(base, ".lock"), "w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotWrite("another itk2-migrate is writing (it holds %s)" % self._file.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def carry_out(replacements, links, accept):
    """Replaces all files and links, and asks accept() -> (is it good, words). Takes all back where it is not.

    Whatever ends it early, a signal's exception included, leaves everything as it was.
    """
    changed = []
    try:
        for one in replacements:
            one.prepare()
        for one in replacements:
            one.replace()
        for one in links:
            one.apply()
            changed.append(one)
        good, words = accept()
        if not good:
            raise CannotWrite("httpd does not accept the result, and everything is as it was: %s" % words.strip())
    except BaseException as error:
        _take_back(replacements, changed)
        if isinstance(error, OSError):
            raise CannotWrite("%s: %s; everything is as it was" % (error.filename or "writing", error.strerror))
        raise
    for one in replacements:
        one.clean()


def _take_back(replacements, links):
    left = []
    for one in links[::-1] + list(replacements):
        try:
            one.take_back()
        except (OSError, CannotWrite) as error:
            left.append("%s (%s)" % (one.path, error))
    if left:
        raise Stuck("could not be taken back: %s; --undo with the backup does it" % ", ".join(left))


def read_manifest(folder):
    with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
        manifest = json.load(file)
    if manifest.get("format") != FORMAT:
        raise ValueError("it has format %s" % manifest.get("format"))
    return manifest


def remove_leftovers(folder):
    """What a run that was killed has left beside the backup's files."""
    for entry in read_manifest(folder)["files"]:
        place, name = os.path.split(os.fsdecode(bytes.fromhex(entry["path"])))
        mark = ".%s.itk2-migrate-" % name[:200]
        for left in os.listdir(place):
            if left.startswith(mark) and left.endswith((".new", ".old")):
                os.unlink(os.path.join(place, left))


def load_backup(folder):
    """(replacements, links, configuration) that lead back. Raises CannotWrite where something has changed since."""
    try:
        manifest = read_manifest(folder)
        replacements, changed = [], []
        for entry in manifest["files"]:
            path = os.fsdecode(bytes.fromhex(entry["path"]))
            before = read(os.path.join(folder, os.fsdecode(bytes.fromhex(entry["copy"]))))
            if digest(before) != entry["before"]:
                raise ValueError("its copy of %s is damaged" % entry["shown"])
            now = read(path)
            if digest(now) == entry["after"]:
                replacements.append(Replacement(path, now, before))
            elif digest(now) != entry["before"]:
                changed.append(entry["shown"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotWrite("--undo %s: %s" % (folder, error))
    if changed:
        raise CannotWrite("changed since, and so left alone: %s; copy what you need from %s" % (
            ", ".join(changed), folder))
    links = [LinkChange(one["path"], one["after"], one["before"]) for one in manifest["links"]
             if (os.readlink(one["path"]) if os.path.islink(one["path"]) else None) != one["before"]]
    return replacements, links, manifest["configuration"]
