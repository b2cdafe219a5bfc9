"""The argument WORKFLOW, which many commands take."""

from typing import Annotated

import typer

Id = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's id: WF-...")]
