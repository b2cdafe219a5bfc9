"""One folder holds the endpoints of one system."""

from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.errors import LaunchError
from deploy.local.system.up import _claim_folder, describe_page, say_notices
from deploy.page.building import has_page


def test_a_folder_belongs_to_one_launch_until_that_ends(tmp_path: Path) -> None:
    folder = tmp_path / ".ewms"
    with _claim_folder(folder), pytest.raises(LaunchError, match="already runs in this folder"), _claim_folder(folder):
        pytest.fail("two have it")
    with _claim_folder(folder):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".ewms").touch()
    with pytest.raises(LaunchError, match="cannot write the endpoints"), _claim_folder(tmp_path / ".ewms"):
        pytest.fail("it was written")


def test_what_lets_others_in_is_told_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    say_notices(Console(stderr=True), {})
    assert capsys.readouterr().err == ""
    say_notices(Console(stderr=True), {"EWMS_MONGO_AUTH": "off"})
    assert capsys.readouterr().err.startswith("Notice: EWMS_MONGO_AUTH=off: every account of this machine")


def test_a_page_that_was_left_out_has_no_address(tmp_path: Path) -> None:
    assert "http" not in describe_page("http://localhost:8080", is_built=has_page(tmp_path))
    assert "make page" in describe_page("http://localhost:8080", is_built=has_page(tmp_path))
    (tmp_path / "wms/page").mkdir(parents=True)
    (tmp_path / "wms/page/index.html").touch()
    assert describe_page("http://localhost:8080", is_built=has_page(tmp_path)).startswith("http://localhost:8080/ui/ ")
