"""What comes of the pages that somebody gave to a form. (core)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FormComplete:
    """Every page was accepted; `values` are what the form returns."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class FormIncomplete:
    """The form asks for another page: its JSON schema, and what the page says about itself."""

    schema: Mapping[str, Any]
    meta: Any = None


@dataclass(frozen=True)
class FormInvalid:
    """A page was refused; each error has its place (`loc`), its message and its type."""

    page: str
    errors: tuple[Mapping[str, Any], ...]

    def __str__(self) -> str:
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in self.errors)


FormAnswer = FormComplete | FormIncomplete | FormInvalid
