"""An image appears in a location's directory whole, without rights of an account, and only if there is room."""

import os
import stat
from pathlib import Path

import pytest

from processes.builds.build_errors import BuildFailed
from processes.builds.locations.image_directory import LocationUnreachable, publish_to_directory

DIGEST = "sha256:" + "1" * 64


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with a setuid program."""
    (tmp_path / "image").mkdir()
    (tmp_path / "north").mkdir()
    (tmp_path / "image/tool").write_bytes(b"tool")
    (tmp_path / "image/tool").chmod(0o4755)
    return tmp_path / "image"


def publish(image: Path, max_bytes: int = 1 << 60) -> Path:
    """Publish an image to the location beside it."""
    return publish_to_directory(image, image.parent / "north", digest=DIGEST, build="b1", max_bytes=max_bytes)


def test_a_setuid_program_is_published_without_setuid_and_one_published_with_it_is_replaced(image: Path) -> None:
    placed = publish(image) / "tool"
    assert stat.S_IMODE(placed.stat().st_mode) == 0o755
    placed.chmod(0o4755)
    assert publish(image) / "tool" == placed
    assert stat.S_IMODE(placed.stat().st_mode) == 0o755


def test_hard_links_do_not_fill_a_location(image: Path) -> None:
    for n in range(100):
        os.link(image / "tool", image / f"link-{n}")
    with pytest.raises(BuildFailed, match="take more than 100 bytes"):
        publish(image, max_bytes=100)
    assert not list((image.parent / "north").iterdir())


def test_an_image_larger_than_the_free_space_waits_for_room(image: Path) -> None:
    with (image / "large").open("wb") as large:
        large.truncate(8 << 40)
    with pytest.raises(LocationUnreachable, match=r"the image takes 8192 GiB, and .*/north has .* free; make room"):
        publish(image)
    assert not list((image.parent / "north").iterdir())
