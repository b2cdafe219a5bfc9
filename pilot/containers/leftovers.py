"""Clean up after a run: print its output if the run failed or the user wants that, and remove its files."""

import asyncio
import logging
import sys
import time

from pilot.containers.output_budget import OutputBudget, spend_budget
from pilot.containers.run_files import RunFiles, WorkDirectory, read_tail, remove_run, remove_tree
from pilot.settings import PilotSettings

log = logging.getLogger(__name__)

#: How many bytes of a stream's end to print at most.
DUMPED_BYTES = 16 * 1024


class Leftovers:
    """Prints the output of runs and removes their files."""

    def __init__(self, settings: PilotSettings, work: WorkDirectory) -> None:
        self._settings = settings
        self._mask = work.mask
        self._directories = work.directories
        self._removals: set[asyncio.Task[None]] = set()

    def put_away(self, files: RunFiles, *, failed: bool, may_reuse: bool = False) -> None:
        """Print a run's output if it `failed` or `dump_output` is set. Remove its files unless `keep_files` is set.

        With `may_reuse`, no process of the run is left, so a later run may use its directory.
        """
        if failed or self._settings.dump_output:
            for name, path in (("stdout", files.stdout), ("stderr", files.stderr)):
                text = self._mask.mask_end(read_tail(path, DUMPED_BYTES))
                printer.print_output(name, files.name, text, always=self._settings.dump_output)
        if self._settings.keep_files:
            self._directories.forget_directory(files.directory)
        elif not (may_reuse and self._directories.keep_directory(files.directory)):
            self.remove_files(files)
        for directory in self._directories.take_unfit():
            self._remove_directory(directory)

    def remove_files(self, files: RunFiles) -> None:
        """Remove the files of a run: at once if they are only the usual few files, else in a thread."""
        self._directories.forget_directory(files.directory)
        if not remove_run(files):
            self._remove_directory(files.directory)

    async def wait_for_removals(self) -> None:
        """Remove the directories that were kept for later runs. Wait until all removals are done."""
        for directory in (*self._directories.take_kept(), *self._directories.take_unfit()):
            self._remove_directory(directory)
        await asyncio.gather(*self._removals, return_exceptions=True)

    def _remove_directory(self, directory: str) -> None:
        removal = asyncio.get_running_loop().create_task(asyncio.to_thread(remove_tree, directory))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)


class Printer:
    """Prints the output of runs within the pilot's `OutputBudget`. A pilot has one printer."""

    def __init__(self) -> None:
        self._budget = OutputBudget()

    def may_print(self, n_bytes: int) -> bool:
        """Return whether the budget allows an output of `n_bytes`. If the budget does, take `n_bytes` from it."""
        n_left_out = self._budget.n_left_out
        self._budget, may = spend_budget(self._budget, n_bytes, time.monotonic())
        if not may and not n_left_out:
            log.warning("this pilot has printed 4 MiB of its tasks' output: from here on it leaves out some")
        if may and n_left_out:
            log.warning("the pilot has left out %d outputs of tasks", n_left_out)
        return may

    def print_output(self, name: str, run: str, text: str, *, always: bool = False) -> None:
        """Print `text`, a run's output on the stream `name`, if the budget allows that. With `always`, ignore the
        budget.
        """
        if text and (always or self.may_print(len(text))):
            print(f"--- {name} of {run}\n{text}\n---", file=sys.stderr)  # noqa: T201 - it is the output


printer = Printer()
