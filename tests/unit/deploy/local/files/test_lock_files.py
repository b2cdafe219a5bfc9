"""Nobody but the owner can lock what launchers lock."""

import stat
from pathlib import Path

import pytest

from deploy.local.files.lock_files import open_lock


@pytest.mark.parametrize("is_old", [False, True])
def test_a_lock_file_is_its_owners_alone(tmp_path: Path, is_old: bool) -> None:
    path = tmp_path / "lock"
    if is_old:
        path.touch(mode=0o644)
    with open_lock(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        open_lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
