"""An image's files are copied without rights of an account, without links out of it, and up to a limit."""

import os
import stat
from pathlib import Path

import pytest

from processes.builds.build_errors import BuildFailed
from processes.builds.images.image_tree import COPIED_MODES, check_tree, copy_tree, digest_tree

KIB = 1 << 10


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with a program that has every mode bit, in a directory that has every mode bit."""
    (programs := tmp_path / "image/bin").mkdir(parents=True)
    (program := programs / "tool").write_bytes(b"x" * KIB)
    (programs / "link").symlink_to("/etc/passwd")
    program.chmod(0o7777)
    programs.chmod(0o7777)
    return tmp_path / "image"


def test_a_copy_has_no_setuid_no_setgid_and_is_writable_for_its_owner_only(image: Path, tmp_path: Path) -> None:
    copy_tree(image, tmp_path / "copy", max_bytes=KIB)
    for below in ("bin", "bin/tool"):
        assert stat.S_IMODE((tmp_path / "copy" / below).stat().st_mode) == 0o755
    assert (tmp_path / "copy/bin/link").readlink() == Path("/etc/passwd")


def test_the_digest_of_an_image_is_that_of_its_copy_and_differs_with_each_right(image: Path, tmp_path: Path) -> None:
    copy_tree(image, tmp_path / "copy", max_bytes=KIB)
    wanted = digest_tree(image, modes=COPIED_MODES)
    assert digest_tree(tmp_path / "copy") == wanted
    for mode in (0o4755, 0o2755, 0o757):
        (tmp_path / "copy/bin/tool").chmod(mode)
        assert digest_tree(tmp_path / "copy") != wanted


def test_a_hard_link_takes_as_much_as_its_file(image: Path, tmp_path: Path) -> None:
    for n in range(3):
        os.link(image / "bin/tool", image / f"link-{n}")
    assert check_tree(image, max_bytes=4 * KIB) == 4 * KIB
    for read in (check_tree, lambda top, max_bytes: copy_tree(top, tmp_path / "copy", max_bytes=max_bytes)):
        with pytest.raises(BuildFailed, match="the image's files take more than 3 KiB"):
            read(image, max_bytes=3 * KIB)
    assert check_tree(tmp_path / "copy", max_bytes=3 * KIB) <= 3 * KIB


def test_a_pipe_is_refused_with_its_path(image: Path, tmp_path: Path) -> None:
    os.mkfifo(image / "bin/pipe")
    for read in (check_tree, lambda top, max_bytes: copy_tree(top, tmp_path / "copy", max_bytes=max_bytes)):
        with pytest.raises(BuildFailed, match=r"a pipe, socket or device at /bin/pipe, .*remove it in the Dockerfile"):
            read(image, max_bytes=KIB)


def test_an_image_that_is_a_link_is_read_by_nothing(image: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(image)
    for read in (digest_tree, lambda top: check_tree(top, max_bytes=KIB)):
        with pytest.raises(NotADirectoryError):
            read(tmp_path / "link")
