"""Resolve a pilot's tag: `latest` is the highest version in the directory, and an unknown tag is refused. (core)

ewms-pilot:1.2.0   ewms-pilot:1.10.3   ewms-pilot:fix-eviction-4f2a1b
                   ^ latest
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import Rejected

LATEST = "latest"

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", re.ASCII)


class TagNotFound(Rejected):
    """There is no pilot image with that tag."""

    def __init__(self) -> None:
        super().__init__("Pilot image tag not found. Choose the tag of an image that is there, or 'latest'.")


@dataclass(frozen=True, slots=True)
class PilotTags:
    """The tags of the pilot's images. If `known` is None, there is no list, and every tag is accepted."""

    #: The tag for `latest`; None if no image has a version.
    latest: str | None
    known: frozenset[str] | None = None

    def resolve_tag(self, tag: str) -> str:
        """Return the tag of the image for `tag`, which may be `latest`.

        Raises:
            TagNotFound: there is no such image.
        """
        if tag == LATEST:
            if self.latest is None:
                raise TagNotFound
            return self.latest
        if self.known is not None and tag not in self.known:
            raise TagNotFound
        return tag


def find_tags(entries: Iterable[str], image: str) -> PilotTags:
    """Return the tags of `image` among the names of a directory's entries."""
    prefix = f"{image}:"
    known = frozenset(entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix))
    versions = [(tuple(map(int, match.groups())), tag) for tag in known if (match := _VERSION.fullmatch(tag))]
    return PilotTags(latest=max(versions)[1] if versions else None, known=known)
