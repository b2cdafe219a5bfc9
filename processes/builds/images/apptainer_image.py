"""Convert an OCI image into the directory that apptainer runs, and compute the digest of such a directory."""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.programs import Programs
from processes.builds.sandbox.limits import RunLimits
from schemas.builds import BuildLimits

_TAIL = 300
_CHUNK = 1 << 20


def convert_image(
    place: BuildPlace, programs: Programs, limits: BuildLimits, take_output: Callable[[bytes], None]
) -> None:
    """Convert `place.oci_image` into `place.root`. Every account of a cluster may read the result.

    Raises:
        BuildFailed: apptainer failed, or a limit was exceeded.
    """
    place.prepare(without=["root"])
    tail = bytearray()

    def take(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-_TAIL]
        take_output(chunk)

    tree = programs.containers
    apptainer = f"{tree}/usr/bin/apptainer --silent build --fix-perms --sandbox /work/root oci:/work/image"
    end = place.runner.run(
        place.directory,
        # A pilot runs under an account of its own.
        ["/bin/sh", "-c", f"{apptainer} && chmod -R a+rX /work/root"],
        limits=RunLimits(
            time_s=limits.build_s,
            memory_bytes=limits.build_memory_bytes,
            # The OCI image is compressed, and apptainer unpacks it twice.
            disk_bytes=8 * limits.image_bytes,
            log_bytes=limits.log_bytes,
        ),
        take_output=take,
        readable={str(tree): str(tree)},
        environment={"APPTAINER_TMPDIR": "/work/tmp", "APPTAINER_CACHEDIR": "/work/home", "USER": "root"},
    )
    if not end.is_success:
        reason = end.excess or tail.decode(errors="replace").strip() or f"it ended with status {end.status}"
        raise BuildFailed(f"apptainer cannot convert the image: {reason}; check that the Dockerfile leaves a usable /")


def digest_tree(top: Path) -> str:
    """Return `sha256:` and the digest of everything below `top`: paths, kinds, modes, contents, links' targets.

    Raises:
        OSError: something cannot be read.
    """
    lines: list[bytes] = []
    for path, directories, files, descriptor in os.fwalk(top, follow_symlinks=False):
        below = os.fsencode(os.path.relpath(path, top))
        for name in (*directories, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            lines.append(b"%s/%s %s" % (below, os.fsencode(name), _describe_entry(name, found, descriptor)))
    digest = hashlib.sha256(b"\0".join(sorted(lines)))
    return f"sha256:{digest.hexdigest()}"


def _describe_entry(name: str, found: os.stat_result, directory: int) -> bytes:
    mode = b"%o" % stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode):
        return b"d " + mode
    if stat.S_ISLNK(found.st_mode):
        return b"l " + os.fsencode(os.readlink(name, dir_fd=directory))
    if not stat.S_ISREG(found.st_mode):
        return b"o " + mode
    digest = hashlib.sha256()
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return b"f %s %s" % (mode, digest.hexdigest().encode())
