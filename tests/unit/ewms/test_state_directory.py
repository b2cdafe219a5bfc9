"""One directory of a user for all that the client keeps."""

from pathlib import Path

import pytest

from ewms.state_directory import state_directory


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"EWMS_STATE_DIR": "/mine", "XDG_STATE_HOME": "/state"}, Path("/mine")),
        ({"XDG_STATE_HOME": "/state"}, Path("/state/ewms")),
        ({"XDG_STATE_HOME": "state"}, Path.home() / ".local/state/ewms"),
        ({}, Path.home() / ".local/state/ewms"),
    ],
)
def test_the_directory_is_the_named_one_or_the_users_own(environment: dict[str, str], directory: Path) -> None:
    assert state_directory(environment) == directory
