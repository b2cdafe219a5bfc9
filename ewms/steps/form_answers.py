"""The results of filling in a form. (core)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FormComplete:
    """Every page was accepted. `values` are the values that the form returns."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class FormIncomplete:
    """The form asks for another page. `schema` is the page's JSON schema, `meta` further facts about the page."""

    schema: Mapping[str, Any]
    meta: Any = None


#: The type of the error of a form that got more pages than it asks for.
TOO_MANY_PAGES = "too_many_pages"


@dataclass(frozen=True)
class FormInvalid:
    """A page was refused. Each error names its field (`loc`), and has a message (`msg`) and a type."""

    page: str
    errors: tuple[Mapping[str, Any], ...]

    @property
    def has_too_many_pages(self) -> bool:
        """Return whether the form got more pages than it asks for."""
        return any(one.get("type") == TOO_MANY_PAGES for one in self.errors)

    def __str__(self) -> str:
        return "; ".join(f"{_name_place(one['loc'])}{one['msg']}" for one in self.errors)


def _name_place(location: Sequence[object]) -> str:
    """Return the name of the field that an error is about, and ": ". Return "" for an error about the whole page."""
    return "" if list(location) in ([], ["__root__"]) else f"{'.'.join(map(str, location))}: "


FormAnswer = FormComplete | FormIncomplete | FormInvalid
