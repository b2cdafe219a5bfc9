"""`python -m deploy.page` builds the web page. With `--check` it checks its types and runs its unit tests."""

import argparse
import sys

from deploy.page.building import ROOT, PageBroken, PageLeftOut, build_page
from deploy.page.checking import check_page


def main() -> int:
    """Build or check the page. Return 1 if it is broken, else 0: EWMS works without the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="build nothing; check types, and run the unit tests of web/"
    )
    check: bool = parser.parse_args().check
    try:
        if check:
            sys.stdout.write(check_page(ROOT))
        elif build_page():
            sys.stderr.write("built the web page\n")
    except PageLeftOut as left_out:
        sys.stderr.write(f"the web page is left out: {left_out}\n")
    except PageBroken as broken:
        sys.stderr.write(f"{broken}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
