"""Run a pilot's programs: the init container, and the task in the chosen mode (a container for each event, or warm)."""

from collections.abc import Callable

from pilot.containers.command import Runtime
from pilot.containers.container_per_event import ContainerPerEvent
from pilot.containers.init_container import InitRun
from pilot.containers.leftovers import Leftovers
from pilot.containers.mounts import Mount
from pilot.containers.processes import TaskProcesses
from pilot.containers.run_files import WorkDirectory
from pilot.containers.task_interface import RunOutcome, Tasks
from pilot.failures.failure import Failure
from pilot.logs.run_logs import LogPublisher
from pilot.settings import PilotSettings
from pilot.stream.tasks import WarmTasks
from schemas.pilot.options import TaskMode


class Containers:
    """All containers of one pilot.

    They call `on_end` after every run of the task, `on_init_end` after the init container's run, and `on_cold` after
    the last warm container has ended.
    """

    def __init__(
        self,
        settings: PilotSettings,
        *,
        children: TaskProcesses,
        work: WorkDirectory,
        runtime: Runtime,
        init_runtime: Runtime | None,
        external: tuple[Mount, ...],
        log_publisher: LogPublisher,
        on_end: Callable[[int, RunOutcome], None],
        on_init_end: Callable[[Failure | None], None],
        on_cold: Callable[[], None],
    ) -> None:
        self._children = children
        self._leftovers = leftovers = Leftovers(settings, work)
        self._warm: WarmTasks | None = None
        if settings.task_mode is TaskMode.STREAM:
            self._warm = WarmTasks(
                settings,
                children=children,
                work=work,
                leftovers=leftovers,
                runtime=runtime,
                external=external,
                on_end=on_end,
                on_cold=on_cold,
            )
        self.task: Tasks = self._warm or ContainerPerEvent(
            settings,
            children=children,
            work=work,
            leftovers=leftovers,
            runtime=runtime,
            external=external,
            log_publisher=log_publisher,
            on_end=on_end,
        )
        self._init: InitRun | None = None
        if init_runtime is not None:
            self._init = InitRun(
                settings,
                children=children,
                work=work,
                leftovers=leftovers,
                runtime=init_runtime,
                external=external,
                on_end=on_init_end,
            )

    def run_init(self) -> None:
        """Run the init container. Call this only if the settings have an init container."""
        assert self._init is not None
        self._init.start_init()

    def warm_up(self) -> None:
        """Start the warm containers, if the task runs in warm containers."""
        if self._warm is not None:
            self._warm.warm_up()

    def cool_down(self) -> None:
        """Close the warm containers' standard inputs, so that they end by themselves."""
        if self._warm is not None:
            self._warm.cool_down()

    def kill_all(self) -> None:
        """Kill all containers at once."""
        self.task.kill_all()
        if self._init is not None:
            self._init.kill_init()

    async def end_all(self) -> None:
        """Kill all children. Return as soon as all have ended, or after a time limit."""
        await self._children.kill_all()

    async def wait_for_removals(self) -> None:
        """Wait until the files of ended runs are removed."""
        await self._leftovers.wait_for_removals()
