"""`python -m wms.gateway.describe` writes docs/openapi.json and the documents of the other dialects beside it.

With `--check` it only compares.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runtime.web.route import AnyRoute
from wms.gateway import app, catalogue

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"


def list_bare_routes() -> Iterable[AnyRoute]:
    """Return all routes of the gateway with nothing behind them: they describe themselves, and answer no request."""
    absent: Any = None
    return catalogue.list_routes(
        fleet=absent,
        settings=absent,
        quota=absent,
        taskforces=absent,
        snapshots=absent,
        offers=absent,
        reader=absent,
        verdicts=absent,
        bus=absent,
        http=absent,
        locations=absent,
        organizations=absent,
        secrets=absent,
        feed=absent,
        streams=absent,
        views=absent,
        depths=absent,
        queues=absent,
        store=absent,
        audit=absent,
        query_max_bytes=1,
    )


def render_document() -> str:
    """Return the OpenAPI document of our own dialect as text, exactly as docs/openapi.json must be."""
    return _render_text(app.describe_routes(list_bare_routes()))


def render_documents() -> dict[Path, str]:
    """Return the text of each dialect's document, by the file in which it must be."""
    others = {
        PATH.with_name(f"openapi-{dialect.name}.json"): _render_text(app.describe_dialect(dialect, listed))
        for dialect, listed in ((dialect, list(routes)) for dialect, routes in catalogue.list_bare_dialects())
        if listed
    }
    return {PATH: render_document(), **others}


def _render_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the documents and return 0. With `--check`, write nothing, and return 1 if a file is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a document is not up to date")
    check: bool = parser.parse_args().check
    old = [path for path, text in render_documents().items() if not path.exists() or path.read_text() != text]
    if check:
        for path in old:
            sys.stderr.write(f"{path.name} does not match the routes: run `python -m wms.gateway.describe`\n")
        return int(bool(old))
    for path, text in render_documents().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
