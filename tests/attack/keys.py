"""Keyrings as a test sees them: adding a key to this process's session keyring, and what the kernel says of it."""
import ctypes

ADD_KEY, KEYCTL = 248, 250  # x86-64
JOIN_SESSION, READ = 1, 11
SESSION = -3

_libc = ctypes.CDLL(None, use_errno=True)


def _call(*arguments):
    result = _libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "keyring")
    return result


def begin_session_with_a_key(name, content):
    """In a child, before exec: a session keyring of its own, as a login has one, with a key in it."""
    _call(KEYCTL, JOIN_SESSION, None)
    _call(ADD_KEY, b"user", name.encode(), content.encode(), len(content), SESSION)
