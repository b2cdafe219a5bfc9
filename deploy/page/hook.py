"""The build hook of our wheel: it builds the web page first, so that the wheel holds it and needs no node.

Hatch loads this file by its path. Source: hatch's documentation, "Custom build hook".
"""

import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface[Any]):
    """Builds the page before hatch collects the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page. If this machine cannot, print a warning, and let hatch go on without the page."""
        sys.path.insert(0, self.root)
        from deploy.page.building import PageLeftOut, build_page  # noqa: PLC0415 - the path is set above

        try:
            build_page()
        except PageLeftOut as left_out:
            self.app.display_warning(f"the web page is left out: {left_out}")
        finally:
            sys.path.remove(self.root)
