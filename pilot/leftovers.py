"""What a run leaves: its output printed where that is wanted, its files kept where that is wanted, else removed."""

import asyncio
import sys

from pilot.files import RunFiles, read_tail, remove_run, remove_tree
from pilot.settings import Settings

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
                printed(name, files.name, read_tail(path, DUMPED_BYTES))
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


def printed(name: str, run: str, text: str) -> None:
    """Print what a run said on the stream `name`."""
    if text:
        print(f"--- {name} of {run}\n{text}\n---", file=sys.stderr)  # noqa: T201 - it is the output
