"""Show the broker only the plugins that it uses.

At each start RabbitMQ reads the settings and the description of every plugin that it finds, enabled or not. Its package
brings eighty, and EWMS needs thirty of them, with their libraries: with these alone a start takes a third less CPU. So
the launcher makes a directory of links to them, and the broker looks nowhere else.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

#: The part of RabbitMQ that every other needs.
_SERVER = "rabbit"
_APPLICATIONS = re.compile(r"\{applications,\s*\[([^\]]*)\]")


def link_plugins(shipped: Path, enabled: Iterable[str], *, into: Path) -> None:
    """Make the directory `into`, with a link to each plugin in `shipped` that the enabled plugins need."""
    # `rabbit-4.3.6` holds the application `rabbit`.
    places = {place.name.partition("-")[0]: place for place in shipped.iterdir() if place.is_dir()}
    requirements = {
        name: read_requirements((place / "ebin" / f"{name}.app").read_text()) for name, place in places.items()
    }
    into.mkdir()
    for name in find_needed((_SERVER, *enabled), requirements):
        (into / places[name].name).symlink_to(places[name])


def read_requirements(description: str) -> frozenset[str]:
    """Return the names of the applications that the one with this description (an `.app` file) needs.

    Source: Erlang/OTP, app(4).
    """
    found = _APPLICATIONS.search(description)
    return frozenset(re.findall(r"\w+", found[1])) if found else frozenset()


def find_needed(wanted: Iterable[str], requirements: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return the wanted applications and all that they need in turn, as far as `requirements` knows them. Erlang's own
    are not among its keys.
    """
    needed: set[str] = set()
    left = list(wanted)
    while left:
        if (name := left.pop()) in requirements and name not in needed:
            needed.add(name)
            left.extend(requirements[name])
    return frozenset(needed)
