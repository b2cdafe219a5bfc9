"""Read a file that only the pilot's own account can read: its token, or the secrets of its task."""

import os
import stat

from schemas.errors import Rejected


def read_private_file(path: str, *, named: str, remedy: str, refusal: type[Rejected], max_bytes: int) -> bytes:
    """Return the first `max_bytes` of the file at `path`. `named` begins the text of an error.

    Raises:
        Rejected: a `refusal`: the file is missing, not regular, readable by others, or owned by another account.
            `remedy` says how to get a missing file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refusal(f"{named} {path!r}, which cannot be opened: {error.strerror}; {remedy}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise refusal(f"{named} {path!r}, which is not a regular file; name one")
        if status.st_mode & 0o077:
            raise refusal(
                f"{named} {path!r}, which others can read "
                f"(mode {stat.S_IMODE(status.st_mode):04o}); it must be 0600: chmod 600 it and renew it"
            )
        if status.st_uid not in {os.geteuid(), 0}:
            raise refusal(f"{named} {path!r}, which belongs to another account; the pilot's own account must own it")
        content = bytearray()
        while chunk := os.read(fd, max_bytes - len(content)):
            content += chunk
        return bytes(content)
    finally:
        os.close(fd)
