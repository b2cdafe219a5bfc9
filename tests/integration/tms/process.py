"""`python -m tms` as the tests start, watch and end it: a fork of a process that has imported TMS already."""

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.forked_processes import ForkedProcess, start_module
from tests.waiting import eventually


class TmsProcess:
    """`python -m tms`, as an operator starts it."""

    def __init__(self, environment: dict[str, str], log: Path, as_its_account: Sequence[str] = ()) -> None:
        self._environment = environment
        self.as_its_account = as_its_account
        self.log = log
        self._process: ForkedProcess | None = None
        self._n_ready = 0

    async def start(self, **environment: str) -> None:
        """Start it; `environment` is added for this once."""
        self.log.touch()
        self._n_ready = len(self.lines("ready"))
        with self.log.open("ab") as log:
            self._process = await start_module(
                "tests.integration.tms.as_account" if self.as_its_account else "tms",
                # The last word of a command that changes accounts is its plan.
                *self.as_its_account[-1:],
                environment=self._environment | environment,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Return when it has said that it is ready."""
        await eventually(lambda: self._has_ended() or self.lines("ready")[self._n_ready :])
        assert not self._has_ended(), self.log.read_text()[-3000:]

    def lines(self, event: str) -> list[dict[str, object]]:
        """Return the lines of its log that say `event`."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def environments(self) -> dict[str, bytes]:
        """Return the environments of all processes that it has started and that live, by their command lines."""
        assert self._process
        found, parents = {}, {self._process.pid}
        for process in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in parents:
                    parents.add(int(process.name))
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[command] = (process / "environ").read_bytes()
            except OSError:
                continue
        return found

    def _has_ended(self) -> bool:
        return self._process is None or self._process.returncode is not None

    async def ended(self) -> int:
        """Return its exit code, once it has one."""
        assert self._process
        async with asyncio.timeout(60):
            return await self._process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self.ended()
