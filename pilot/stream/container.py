"""The shell of one slot of warm tasks: tell the core what happened, and carry out its instructions."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pilot.containers.command import Place, Runtime, task_command
from pilot.containers.die_with_parent import tethered
from pilot.containers.leftovers import DUMPED_BYTES, Leftovers, printer
from pilot.containers.mounts import Mount
from pilot.containers.processes import Child, Children, found_program
from pilot.containers.run_files import RunFiles, WorkDirectory
from pilot.containers.task_interface import Outcome
from pilot.errors import TASK, container_not_started, os_text
from pilot.failures.error_text import last_lines, last_words
from pilot.settings import Settings
from pilot.stream import slot
from pilot.stream.lines import answer, unasked
from pilot.stream.pipes import Talk
from pilot.stream.silence import UNBUFFERED, Silence
from pilot.stream.slot import Limits, Phase, Slot

log = logging.getLogger(__name__)


class WarmSlot:
    """A slot, its container, and the event in it."""

    def __init__(
        self,
        settings: Settings,
        *,
        children: Children,
        work: WorkDirectory,
        leftovers: Leftovers,
        runtime: Runtime,
        external: tuple[Mount, ...],
        on_end: Callable[[int, Outcome], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._program = replace(settings.task, environment={**UNBUFFERED, **settings.task.environment})
        self._children = children
        self._work = work
        self._leftovers = leftovers
        self._runtime = runtime
        self._external = external
        self._on_end, self._on_gone = on_end, on_gone
        self._loop = asyncio.get_running_loop()
        self._slot = Slot(Limits(settings.task_timeout_s, settings.task_start_s, settings.worker_memory_bytes))
        self._stimuli: deque[slot.Stimulus] = deque()
        self._busy = False
        self._event_id = ""
        self._line = b""
        self._name = ""
        self._files: RunFiles | None = None
        self._child: Child | None = None
        self._talk: Talk | None = None
        self._silence = Silence("", has_read=self._has_read)
        self._timer: asyncio.TimerHandle | None = None
        #: How many bytes the container had written to its standard error when it got its event.
        self._mark = 0

    @property
    def phase(self) -> Phase:
        """Where the container stands."""
        return self._slot.phase

    @property
    def free(self) -> bool:
        """Whether this slot has no event."""
        return self._slot.key is None

    def warm_up(self) -> None:
        """Start a container ahead of the first event."""
        self.feed(slot.WarmedUp(self._loop.time()))

    def give(self, key: int, event_id: str, line: bytes) -> None:
        """Take an event and send its `line` to the container. The slot must be free."""
        self._event_id, self._line = event_id, line
        self.feed(slot.Given(self._loop.time(), key))

    def feed(self, stimulus: slot.Stimulus) -> None:
        """Tell the core what happened, and carry out its instructions."""
        self._stimuli.append(stimulus)
        if self._busy:
            return
        self._busy = True
        try:
            while self._stimuli:
                self._slot, instructions = slot.advance(self._slot, self._stimuli.popleft())
                for instruction in instructions:
                    self._do(instruction)
        finally:
            self._busy = False

    def _do(self, instruction: slot.Instruction) -> None:
        match instruction:
            case slot.Send(_, due_s):
                if self._talk is None:  # it could not be started; that stimulus is in the queue
                    return
                self._mark = self._talk.stderr.total
                self._set_timer(due_s)
                self._talk.send(self._line)
                self._silence.begin(self._event_id)
            case slot.End(key, outcome):
                self._set_timer(None)
                self._silence.end()
                self._line = b""
                self._print(outcome)
                if outcome.failure is not None and self._talk is not None:
                    outcome = replace(outcome, last_lines=last_lines(self._talk.stderr.text(self._mark)))
                self._on_end(key, outcome)
            case slot.Spawn():
                self._spawn()
            case slot.Await(due_s):
                self._set_timer(due_s)
            case slot.Hush():
                if self._talk is not None:
                    self._talk.hush()
            case slot.Kill():
                if self._child is not None:
                    self._children.kill(self._child)

    def _set_timer(self, due_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = self._loop.call_at(due_s, self.feed, slot.Due())

    def _spawn(self) -> None:
        self._name, self._mark = f"ewms-warm-{os.urandom(16).hex()}", 0
        self._silence = Silence(self._name, has_read=self._has_read)
        try:
            files = self._files = self._work.begin_outputs("warm")
            place = Place(data_hub=self._work.data_hub, home=files.home)
            command = task_command(self._runtime, self._program, self._external, place, self._name, listens=True)
            command = tethered(command, found_program(command), os.getpid())
            child, pipes = self._children.spawn_piped(command, on_end=self._exited)
        except (OSError, ValueError) as error:
            self._child = self._talk = None
            self._put_away()
            self.feed(slot.Unstartable(container_not_started(TASK, os_text(error))))
            return
        self._child = child
        child.on_failure = lambda failure: self.feed(slot.Misbehaved(failure))
        self._talk = Talk(
            pipes,
            on_line=self._answered,
            on_unasked=self._spoke_unasked,
            on_closed=lambda: self.feed(slot.Closed(self._loop.time())),
        )

    def _has_read(self) -> bool:
        return self._talk is not None and not self._talk.unread()

    def _answered(self, line: bytes, more: bool) -> None:
        said = answer(line, self._event_id)
        if isinstance(said, Outcome):
            self.feed(slot.Answered(said, more))
        else:
            printer.print_output("stdout", self._name, line[:DUMPED_BYTES].decode(errors="replace"))
            self.feed(slot.Misbehaved(said))

    def _spoke_unasked(self) -> None:
        failure = unasked()
        if self.phase is Phase.WARM:  # a container that is ending may write anything
            log.warning("a warm container is replaced: %s", failure)
        self.feed(slot.Misbehaved(failure))

    def _exited(self, code: int) -> None:
        talk = self._talk
        assert talk is not None
        talk.hear_out()
        self._set_timer(None)
        self._silence.end()
        unread = talk.unread()
        words, traceback = last_words(talk.stderr.text())
        talk.close()
        if self.free and self._slot.phase is Phase.WARM:
            log.warning("a warm container ended between two events (exit code %d): %s", code, words)
        self._keep(talk)
        self._put_away()
        self.feed(slot.Gone(self._loop.time(), code, words, traceback, unread))
        self._on_gone()

    def _print(self, outcome: Outcome) -> None:
        failed = outcome.failure is not None and not outcome.interrupted
        if self._talk is not None and (failed or self._settings.dump_output):
            text = self._talk.stderr.text(self._mark, DUMPED_BYTES)
            printer.print_output("stderr", self._name, text, always=self._settings.dump_output)

    def _keep(self, talk: Talk) -> None:
        """Write the end of the container's standard error into a file, if files are to be kept."""
        if not self._settings.keep_files or self._files is None:
            return
        try:
            Path(self._files.stderr).write_text(talk.stderr.text())
        except OSError as error:
            log.warning("the standard error of a warm container cannot be kept: %s", os_text(error))

    def _put_away(self) -> None:
        """Remove the container's files, unless files are to be kept."""
        if self._files is not None and not self._settings.keep_files:
            self._leftovers.remove(self._files)
        self._files = None
