"""Check the source of the web page: its types, and the tests of its functions."""

from pathlib import Path

from deploy.page.building import PageBroken, find_node, install_packages, write_types

_PATIENCE_S = 300


def check_page(root: Path) -> str:
    """Check types in `web/`, and run the tests in `web/test` with node's own runner. Return what the runner printed.

    Raises:
        PageLeftOut: there is no node here, or npm cannot get its packages.
        PageBroken: a type does not fit, or a test failed.
    """
    web = root / "web"
    tools = find_node()
    install_packages(tools, web)
    write_types(root)
    typed = tools.run("node_modules/typescript/bin/tsc", "--noEmit", web=web, patience_s=_PATIENCE_S)
    if typed.returncode:
        raise PageBroken(typed.stdout)
    tested = tools.run("--test", "--test-reporter=dot", "test/*.test.ts", web=web, patience_s=_PATIENCE_S)
    if tested.returncode:
        raise PageBroken(tested.stdout)
    return tested.stdout
