"""Find a credential of the operator by its name. Its content goes into a sandbox as a file, and nowhere else."""

import os
import re
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def find_credential(directory: Path | None, name: str, place: BuildPlace) -> Path | None:
    """Return a file with the credential `name`, which the sandbox of `place` can read. Return None for an empty name.

    Raises:
        BuildFailed: the operator has no such credential.
    """
    if not name:
        return None
    file = directory / name if directory is not None and _NAME.fullmatch(name) else None
    if file is None or not file.is_file():
        raise BuildFailed(f"credential: the builder has no credential {name[:100]!r}; ask the operator for its name")
    if place.account is None:
        return file
    # Another account runs the sandbox, and may not read the operator's file.
    place.prepare()
    copy = place.directory / "credential"
    copy.unlink(missing_ok=True)
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with os.fdopen(descriptor, "wb") as written:
        written.write(file.read_bytes())
        os.fchown(descriptor, place.account, place.account)
    return copy
