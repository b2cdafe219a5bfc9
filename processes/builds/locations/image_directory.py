"""Put an image into the shared directory of a location, and verify it there.

<directory>/sha256-<hex>          the image, as apptainer runs it; <hex> is the digest of the OCI image
<directory>/.partial-<build>      while it is copied; a repeated copy begins again
"""

import os
import shutil
from pathlib import Path

from processes.builds.images.apptainer_image import digest_tree


class LocationUnreachable(Exception):
    """A location cannot get the image now. The text says why."""


def publish_to_directory(root: Path, directory: Path, *, digest: str, build: str) -> Path:
    """Put the image `root` into `directory` under its OCI `digest`, and return its path there.

    The image appears there whole, and only after its copy has the same content as `root`. If it is there already, this
    only verifies it; a damaged one is replaced.

    Raises:
        LocationUnreachable: the directory is not there or not writable, or the copy differs.
    """
    image = directory / digest.replace(":", "-")
    partial = directory / f".partial-{build}"
    try:
        if not directory.is_dir():
            raise LocationUnreachable(f"the directory {directory} is not there; create it, or mount it")
        wanted = digest_tree(root)
        if image.is_dir() and digest_tree(image) == wanted:
            return image
        _remove_tree(partial)
        shutil.copytree(root, partial, symlinks=True, copy_function=_copy_file)
        # `copytree` sets times and modes of directories; the owner is the copying process.
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


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target, follow_symlinks=False)
    shutil.copymode(source, target, follow_symlinks=False)


def _remove_tree(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
