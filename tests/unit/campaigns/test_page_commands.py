"""The commands that the campaign of disasters types are those of the how-to pages."""

import pytest

from tests.campaigns.disasters import OPERATE, SAVE, read_page
from tests.campaigns.page_commands import fill_command, read_commands

PAGE = """# Page

## First

```console
$ one --here    # a comment
answer
$ two
```

### Below it

```console
$ three
```

## Second

```console
$ four
```
"""


def test_the_commands_below_a_heading_are_read_without_comments_and_answers() -> None:
    assert read_commands(PAGE, "First") == [["one --here", "two"], ["three"]]
    assert read_commands(PAGE, "Below it") == [["three"]]
    with pytest.raises(KeyError):
        read_commands(PAGE, "Third")


def test_names_are_filled_as_whole_words_and_a_place_of_a_deployment_that_is_left_is_refused() -> None:
    names = {"/var/lib/ewms": "/tmp/t", "/backup": "/tmp/b", "TASK": "TK-1", '"$DATA"': "/tmp/d"}
    assert (
        fill_command("tar -C /var/lib/ewms -c /backup/tms.tar.gz TASK", names)
        == "tar -C /tmp/t -c /tmp/b/tms.tar.gz TK-1"
    )
    assert fill_command('mkdir "$DATA" TASKS', names) == "mkdir /tmp/d TASKS"
    assert fill_command("rm -rf /var/lib/ewms/*", names) == "rm -rf /tmp/t/*"
    for left in ("rm -rf /var/lib/rabbitmq/*", "tar -C /etc/ewms .", "rm -rf /backups /var/lib/ewms2"):
        with pytest.raises(ValueError, match="of a deployment"):
            fill_command(left, names)


@pytest.mark.parametrize(
    ("page", "heading", "n_blocks"),
    [
        (SAVE, "One machine with `make up`", 2),
        (SAVE, "A deployment", 2),
        (OPERATE, "A schedd", 2),
        (OPERATE, "The whole broker", 1),
        (OPERATE, "The whole database", 1),
    ],
)
def test_every_block_that_the_campaign_types_is_there(page: str, heading: str, n_blocks: int) -> None:
    assert len(read_commands(read_page(page), heading)) == n_blocks
