"""What `--secret` of a job and of a saved list says: the secret, its file, and the tasks that get it."""

from typing import Any

import pytest

from ewms.cli.context import parse_secrets
from schemas.errors import Rejected


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("key", {"name": "key", "file": "key"}),
        ("key=pin", {"name": "key", "file": "pin"}),
        ("key:7", {"name": "key", "file": "key", "tasks": [7]}),
        ("key=pin:7,8", {"name": "key", "file": "pin", "tasks": [7, 8]}),
    ],
)
def test_a_secret_names_its_file_and_its_tasks(typed: str, named: dict[str, Any]) -> None:
    assert parse_secrets([typed]) == [named]


@pytest.mark.parametrize("typed", ["key:", "key:patch", "key:7,", "key:7, 8", "key:-7", "key:7:8", "key:\u0667"])
def test_what_is_no_list_of_tasks_is_refused_and_never_taken_for_all_tasks(typed: str) -> None:
    with pytest.raises(Rejected, match=r"--secret: .* after the colon is not the ids of tasks"):
        parse_secrets([typed])
