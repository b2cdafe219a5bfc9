"""`python -m wms.gateway.rights_page` writes the tables of docs/reference/rights.md from the routes and from `RIGHTS`.

With `--check` it only compares, and prints the lines that differ.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from runtime.web.callers.gatekeeper import ANYBODY, SIGNED_IN
from runtime.web.route import AnyRoute, Route
from schemas.automation.trees import ObjectRole
from wms.gateway import app, catalogue, describe
from wms.gateway.ewms.dialect import EWMS
from wms.gateway.roles import Role
from wms.tenancy.rights import OBJECT_RIGHTS, RIGHTS, TenancyRole

PATH = Path(__file__).parents[2] / "docs/reference/rights.md"

_RANKING: Sequence[str] = [*Role, *TenancyRole, SIGNED_IN]


def render_page(text: str) -> str:
    """Return `text`, the page, with its tables as they must be.

    Raises:
        ValueError: the page has no marks for a table.
    """
    tables = {
        "routes": "\n\n".join(_render_dialects()),
        "actions": _render_actions(),
        "delegated": _render_delegated(),
    }
    for name, table in tables.items():
        found = re.search(rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)", text, re.DOTALL)
        if found is None:
            raise ValueError(f"{PATH.name} has no marks for the table of {name}")
        text = f"{text[: found.end(1)]}\n{table}\n\n{text[found.start(2) :]}"
    return text


def _render_dialects() -> Iterable[str]:
    ours = [*describe.list_bare_routes(), *app.list_own_routes()]
    for dialect, routes in [(EWMS, ours), *catalogue.list_bare_dialects()]:
        listed = list(routes)
        if listed:
            yield f"Below {' and '.join(f'`{prefix}`' for prefix in dialect.prefixes)}:\n\n{_render_routes(listed)}"


def _render_routes(routes: Sequence[AnyRoute]) -> str:
    own = [route for route in routes if isinstance(route, Route)]
    roles = [role for role in _RANKING if any(role in route.roles for route in own)]
    return _render_table(["Route", *roles], [[_name_route(route), *_mark(route.roles, roles)] for route in own])


def _name_route(route: Route) -> str:
    without = ", without a token" if route.roles == ANYBODY else ""
    return f"`{route.method} {route.path}`{without}"


def _render_actions() -> str:
    roles = list(TenancyRole)
    return _render_table(["Action", *roles], [[f"`{action}`", *_mark(RIGHTS[action], roles)] for action in RIGHTS])


def _render_delegated() -> str:
    roles = list(ObjectRole)
    rows = [[f"`{action}`", *_mark(OBJECT_RIGHTS[action], roles)] for action in OBJECT_RIGHTS]
    return _render_table(["Action", *roles], rows)


def _mark(allowed: Collection[str], roles: Sequence[str]) -> list[str]:
    return ["yes" if role in allowed else "" for role in roles]


def _render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |") for cells in lines)


def compare_pages(before: str, after: str) -> str:
    """Return the lines of the page that differ from what the routes say; an empty text if none does."""
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), "the page", "the routes", n=0)
    return "".join(lines)


def main() -> int:
    """Write the tables and return 0. With `--check`, print what differs, and return 1 if something does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the page is not up to date")
    before = PATH.read_text()
    after = render_page(before)
    if not parser.parse_args().check:
        PATH.write_text(after)
        return 0
    sys.stdout.write(compare_pages(before, after))
    return int(before != after)


if __name__ == "__main__":
    sys.exit(main())
