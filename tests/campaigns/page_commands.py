"""(core) Read the commands of a how-to page, and put this machine's places and names into them.

read_commands(page, "A deployment")        [["systemctl stop ewms-wms ewms-mqs", ...], [...]]: one list a block
fill_command("tar -C /etc/ewms -c .", {"/etc/ewms": "/tmp/x/etc"})        "tar -C /tmp/x/etc -c ."
"""

import re
from collections.abc import Mapping

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
#: Places of a deployment. A command that still names one of them would touch this machine's own.
_OF_DEPLOYMENTS = re.compile(r"(?<![\w.-])/(?:var|etc|opt|backup)\b")


def read_commands(page: str, heading: str) -> list[list[str]]:
    """Return the commands of each block below `heading` of a Markdown text, without their comments.

    Raises:
        KeyError: there is no such heading.
    """
    found = list(_HEADING.finditer(page))
    place = next((n for n, one in enumerate(found) if one[2] == heading), None)
    if place is None:
        raise KeyError(heading)
    level = len(found[place][1])
    end = next((one.start() for one in found[place + 1 :] if len(one[1]) <= level), len(page))
    blocks = _BLOCK.findall(page[found[place].end() : end])
    return [
        [re.sub(r"\s{2,}#.*$", "", line[2:]) for line in block.splitlines() if line.startswith("$ ")]
        for block in blocks
    ]


def fill_command(command: str, names: Mapping[str, str]) -> str:
    """Return `command` with each of `names`, which are whole words or the beginnings of paths, replaced.

    Raises:
        ValueError: the command still names a place of a deployment, or a word in capitals that nobody has filled.
    """
    filled = command
    for name, value in sorted(names.items(), key=lambda pair: -len(pair[0])):
        filled = re.sub(rf"(?<![\w./-]){re.escape(name)}(?![\w-])", lambda _, value=value: value, filled)  # type: ignore[misc]
    left = _OF_DEPLOYMENTS.search(filled)
    if left is not None:
        raise ValueError(f"{command!r} still names {left[0]} of a deployment; give it a place of this campaign")
    return filled
