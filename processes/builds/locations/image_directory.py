"""Put an image into the shared directory of a location, and verify it there.

<directory>/sha256-<hex>          the image, as apptainer runs it; <hex> is the digest of the OCI image
<directory>/.partial-<build>      while it is copied; a repeated copy begins again
"""

import os
import shutil
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.images.image_tree import COPIED_MODES, check_tree, copy_tree, digest_tree
from processes.builds.sandbox.limits import describe_bytes


class LocationUnreachable(Exception):
    """A location cannot get the image now. The text says why."""


def publish_to_directory(root: Path, directory: Path, *, digest: str, build: str, max_bytes: int) -> Path:
    """Put the image `root` into `directory` under its OCI `digest`, and return its path there.

    The image appears there whole, and only after its copy has the same content as `root`. If it is there already, this
    only verifies it; a damaged one is replaced.

    Raises:
        LocationUnreachable: the directory is not there, not writable or too full, or the copy differs.
    """
    image = directory / digest.replace(":", "-")
    partial = directory / f".partial-{build}"
    try:
        if not directory.is_dir():
            raise LocationUnreachable(f"the directory {directory} is not there; create it, or mount it")
        n_bytes = check_tree(root, max_bytes=max_bytes)
        if not image.is_dir():
            _check_space(directory, n_bytes)
        wanted = digest_tree(root, modes=COPIED_MODES)
        if image.is_dir() and digest_tree(image) == wanted:
            return image
        _remove_tree(partial)
        try:
            copy_tree(root, partial, max_bytes=max_bytes)
        except (BuildFailed, OSError):
            _remove_tree(partial)
            raise
        if digest_tree(partial) != wanted:
            _remove_tree(partial)
            raise LocationUnreachable(f"the copy in {directory} differs from the image; check the disk there")
        os.sync()
        _replace_image(partial, image, directory / f".damaged-{build}")
    except OSError as error:
        raise LocationUnreachable(
            f"cannot write the image to {directory}: {error.strerror or error}; check its rights and its free space"
        ) from error
    return image


def _replace_image(partial: Path, image: Path, aside: Path) -> None:
    if image.exists():
        _remove_tree(aside)
        image.rename(aside)
    partial.rename(image)
    _remove_tree(aside)


def _check_space(directory: Path, n_bytes: int) -> None:
    found = os.statvfs(directory)
    if n_bytes > (free := found.f_bavail * found.f_frsize):
        raise LocationUnreachable(
            f"the image takes {describe_bytes(n_bytes)}, and {directory} has {describe_bytes(free)} free; "
            "make room there"
        )


def _remove_tree(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
