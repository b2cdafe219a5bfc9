"""`python -m wms.gateway.describe` writes docs/openapi.json; with `--check` it only says whether that is up to date."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from wms.gateway import app, catalogue

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"


def render_document() -> str:
    """Return the document as the repository has it."""
    # The document needs no handler to run, so the services behind them may be absent.
    absent: Any = None
    routes = catalogue.list_routes(
        fleet=absent, store=absent, bus=absent, http=absent, clusters=absent, query_max_bytes=1
    )
    return json.dumps(app.describe_routes(routes), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the document. With `--check`, only say by the exit status whether the file is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the document is not up to date")
    text = render_document()
    if not parser.parse_args().check:
        PATH.write_text(text)
        return 0
    if PATH.exists() and PATH.read_text() == text:
        return 0
    sys.stderr.write(f"{PATH.name} is not what the routes are: run `python -m wms.gateway.describe`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
