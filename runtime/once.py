"""The identity of a stimulus that must take effect only once. (core)"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Once:
    """The identity of a stimulus that takes effect only once. `digest` shows if another stimulus uses the same id."""

    inbox_id: str
    digest: str | None = None
