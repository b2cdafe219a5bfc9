"""Run the task in one warm container for each slot. A container gets one event a line."""

from collections.abc import Callable

from pilot.containers.command import Runtime
from pilot.containers.leftovers import Leftovers
from pilot.containers.mounts import Mount
from pilot.containers.processes import TaskProcesses
from pilot.containers.run_files import WorkDirectory
from pilot.containers.task_interface import RunOutcome
from pilot.failures.failure import Failure
from pilot.settings import PilotSettings
from pilot.stream import slot
from pilot.stream.container import WarmSlot
from pilot.stream.lines import build_request
from pilot.stream.slot import SlotPhase
from schemas.payloads.data_events import DataEvent

#: The next event goes to a slot with a warm container, else to a slot without a container, else to a slot whose old
#: container is still ending.
_BEST = (SlotPhase.WARM, SlotPhase.COLD, SlotPhase.ENDING)


class WarmTasks:
    """All warm containers of a pilot. They call `on_cold` when, after `cool_down`, the last container has ended."""

    def __init__(
        self,
        settings: PilotSettings,
        *,
        children: TaskProcesses,
        work: WorkDirectory,
        leftovers: Leftovers,
        runtime: Runtime,
        external: tuple[Mount, ...],
        on_end: Callable[[int, RunOutcome], None],
        on_cold: Callable[[], None],
    ) -> None:
        self._on_end, self._on_cold = on_end, on_cold
        self._cooling = False
        self._slots = [
            WarmSlot(
                settings,
                children=children,
                work=work,
                leftovers=leftovers,
                runtime=runtime,
                external=external,
                on_end=on_end,
                on_gone=self._check_cold,
            )
            for _ in range(settings.concurrency)
        ]

    def warm_up(self) -> None:
        """Start all containers before the first event comes."""
        for each in self._slots:
            each.warm_up()

    def start_run(self, key: int, event: DataEvent | None, attempt: int) -> None:
        """Give the event to a free slot. An event that is not JSON fails at once."""
        assert event is not None, "a source has no stream mode"
        line = build_request(event, attempt)
        if isinstance(line, Failure):
            self._on_end(key, RunOutcome(failure=line))
            return
        free = [each for each in self._slots if each.is_free]
        min(free, key=lambda each: _BEST.index(each.phase)).give_event(key, event.id, line)

    def kill_all(self) -> None:
        """Kill all containers, at once."""
        for each in self._slots:
            each.handle_stimulus(slot.Killed())

    def cool_down(self) -> None:
        """Let all containers end by themselves, because no more events will come."""
        self._cooling = True
        for each in self._slots:
            each.handle_stimulus(slot.Dismissed())
        self._check_cold()

    def _check_cold(self) -> None:
        if self._cooling and all(each.phase is SlotPhase.COLD for each in self._slots):
            self._cooling = False
            self._on_cold()
