"""`python -m wms.gateway.describe` writes docs/openapi.json. With `--check` it only checks the file."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wms.gateway import app, catalogue
from wms.gateway.route import AnyRoute

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"


def list_bare_routes() -> Iterable[AnyRoute]:
    """Return all routes of the gateway with nothing behind them: they describe themselves, and answer no request."""
    absent: Any = None
    return catalogue.list_routes(
        fleet=absent,
        taskforces=absent,
        snapshots=absent,
        offers=absent,
        reader=absent,
        bus=absent,
        http=absent,
        locations=absent,
        query_max_bytes=1,
    )


def render_document() -> str:
    """Return the OpenAPI document as text, exactly as docs/openapi.json must be."""
    return json.dumps(app.describe_routes(list_bare_routes()), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the document and return 0. With `--check`, write nothing, and return 1 if the file is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the document is not up to date")
    text = render_document()
    if not parser.parse_args().check:
        PATH.write_text(text)
        return 0
    if PATH.exists() and PATH.read_text() == text:
        return 0
    sys.stderr.write(f"{PATH.name} does not match the routes: run `python -m wms.gateway.describe`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
