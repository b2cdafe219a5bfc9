"""What a run leaves: its output printed where that is wanted, its files kept where that is wanted, else removed."""

import asyncio
import logging
import sys
import time

from pilot.containers.output_budget import OutputBudget, spend
from pilot.containers.run_files import RunFiles, read_tail, remove_run, remove_tree
from pilot.settings import Settings

log = logging.getLogger(__name__)

#: What is printed of a stream: its end.
DUMPED_BYTES = 16 * 1024


class Leftovers:
    """Puts away what runs leave."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._removals: set[asyncio.Task[None]] = set()

    def put_away(self, files: RunFiles, *, failed: bool) -> None:
        """Print what a run said, if it `failed` or if that is wanted, and remove its files."""
        if failed or self._settings.dump_output:
            for name, path in (("stdout", files.stdout), ("stderr", files.stderr)):
                text = read_tail(path, DUMPED_BYTES)
                printer.print_output(name, files.name, text, always=self._settings.dump_output)
        if not self._settings.keep_files:
            self.remove(files)

    def remove(self, files: RunFiles) -> None:
        """Remove the files of a run, in a thread if it left many."""
        if not remove_run(files):
            removal = asyncio.get_running_loop().create_task(asyncio.to_thread(remove_tree, files.directory))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    async def removed(self) -> None:
        """Return when everything that was to be removed is."""
        await asyncio.gather(*self._removals, return_exceptions=True)


class Printer:
    """Prints what runs said, within the pilot's budget; there is one of these."""

    def __init__(self) -> None:
        self._budget = OutputBudget()

    def may_print(self, n_bytes: int) -> bool:
        """Return whether there is room for an output of `n_bytes`, which counts as printed then."""
        n_left_out = self._budget.n_left_out
        self._budget, may = spend(self._budget, n_bytes, time.monotonic())
        if not may and not n_left_out:
            log.warning("this pilot has printed much of what its tasks said: from here on some of it is left out")
        if may and n_left_out:
            log.warning("%d outputs of tasks were left out", n_left_out)
        return may

    def print_output(self, name: str, run: str, text: str, *, always: bool = False) -> None:
        """Print what a run said on the stream `name`; `always` is for users who ask for all output."""
        if text and (always or self.may_print(len(text))):
            print(f"--- {name} of {run}\n{text}\n---", file=sys.stderr)  # noqa: T201 - it is the output


printer = Printer()
