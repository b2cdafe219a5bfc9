"""Everything that a pilot runs: the init container, and the task in the chosen mode."""

from collections.abc import Callable

from pilot.containers.command import Runtime
from pilot.containers.container_per_event import PerEvent
from pilot.containers.init_container import InitRun
from pilot.containers.leftovers import Leftovers
from pilot.containers.mounts import Mount
from pilot.containers.processes import Children
from pilot.containers.run_files import WorkDirectory
from pilot.containers.task_interface import Outcome, Tasks
from pilot.errors import Failure
from pilot.settings import Settings
from pilot.stream.tasks import Stream
from schemas.pilot.names import TaskMode


class Containers:
    """The containers of one pilot.

    `on_end` is called after every run of the task, `on_init_end` after the init container's, and `on_cold` after the
    last warm container has ended.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        children: Children,
        work: WorkDirectory,
        runtime: Runtime,
        init_runtime: Runtime | None,
        external: tuple[Mount, ...],
        on_end: Callable[[int, Outcome], None],
        on_init_end: Callable[[Failure | None], None],
        on_cold: Callable[[], None],
    ) -> None:
        self._children = children
        self._leftovers = leftovers = Leftovers(settings)
        self._warm: Stream | None = None
        if settings.task_mode is TaskMode.STREAM:
            self._warm = Stream(
                settings,
                children=children,
                work=work,
                leftovers=leftovers,
                runtime=runtime,
                external=external,
                on_end=on_end,
                on_cold=on_cold,
            )
        self.task: Tasks = self._warm or PerEvent(
            settings,
            children=children,
            work=work,
            leftovers=leftovers,
            runtime=runtime,
            external=external,
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
        """Run the init container. The caller knows that there is one."""
        assert self._init is not None
        self._init.start()

    def warm_up(self) -> None:
        """Start the warm containers, if the task has any."""
        if self._warm is not None:
            self._warm.warm_up()

    def cool_down(self) -> None:
        """Let the warm containers end by themselves."""
        if self._warm is not None:
            self._warm.cool_down()

    def kill_all(self) -> None:
        """End everything that runs, at once."""
        self.task.kill_all()
        if self._init is not None:
            self._init.kill()

    async def gone(self) -> None:
        """End everything, and return once it has ended, or after a time limit."""
        await self._children.kill_all()

    async def removed(self) -> None:
        """Wait until the files of ended runs are removed."""
        await self._leftovers.removed()
