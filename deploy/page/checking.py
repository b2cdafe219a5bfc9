"""Check the source of the web page: its types, and the tests of its functions."""

import subprocess
from pathlib import Path

from deploy.page.building import NodeTools, PageBroken, find_node, install_packages, write_types

_PATIENCE_S = 300


def check_page(root: Path) -> str:
    """Check types in `web/`, and run the tests in `web/test` with node's own runner. Return what the runner printed.

    Raises:
        PageLeftOut: there is no node here, or npm cannot get its packages.
        PageBroken: a type does not fit, a test failed, or one of the two took too long.
    """
    web = root / "web"
    tools = find_node()
    install_packages(tools, web)
    write_types(root)
    _run_check(tools, web, "node_modules/typescript/bin/tsc", "--noEmit")
    return _run_check(tools, web, "--test", "--test-reporter=dot", "test/*.test.ts")


def _run_check(tools: NodeTools, web: Path, *arguments: str) -> str:
    try:
        done = tools.run(*arguments, web=web, patience_s=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise PageBroken(f"node {' '.join(arguments)} had not ended after {_PATIENCE_S} s") from None
    if done.returncode:
        raise PageBroken(done.stdout)
    return done.stdout
