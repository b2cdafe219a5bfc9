"""The shell of one slot of warm tasks: give stimuli to the core, and carry out its instructions."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pilot.containers.command import RunPlace, Runtime, task_command
from pilot.containers.die_with_parent import tie_to_parent
from pilot.containers.leftovers import DUMPED_BYTES, Leftovers, printer
from pilot.containers.mounts import Mount
from pilot.containers.output_tail import TAIL_BYTES
from pilot.containers.processes import TaskProcess, TaskProcesses, find_program
from pilot.containers.run_files import RunFiles, WorkDirectory
from pilot.containers.task_interface import RunOutcome
from pilot.failures.container_failures import TASK, container_not_started, os_text
from pilot.failures.error_text import last_lines, last_words
from pilot.settings import PilotSettings
from pilot.stream import slot
from pilot.stream.lines import parse_answer, unasked_failure
from pilot.stream.pipes import ContainerPipes
from pilot.stream.silence import UNBUFFERED, Silence
from pilot.stream.slot import Limits, Slot, SlotPhase

log = logging.getLogger(__name__)


class WarmSlot:
    """A slot of warm tasks, with its container and its event."""

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
        self._child: TaskProcess | None = None
        self._talk: ContainerPipes | None = None
        self._silence = Silence("", has_read=self._has_read)
        self._timer: asyncio.TimerHandle | None = None
        #: How many bytes the container had written to its standard error when it got its event.
        self._mark = 0

    @property
    def phase(self) -> SlotPhase:
        """The phase of the slot's container."""
        return self._slot.phase

    @property
    def is_free(self) -> bool:
        """Whether this slot has no event."""
        return self._slot.key is None

    def warm_up(self) -> None:
        """Start a container ahead, before the first event comes."""
        self.handle_stimulus(slot.WarmedUp(self._loop.time()))

    def give_event(self, key: int, event_id: str, line: bytes) -> None:
        """Put an event into this slot, and send `line` to the container. Call this only if the slot is free."""
        self._event_id, self._line = event_id, line
        self.handle_stimulus(slot.Given(self._loop.time(), key))

    def handle_stimulus(self, stimulus: slot.Stimulus) -> None:
        """Give `stimulus` to the core, and carry out its instructions."""
        self._stimuli.append(stimulus)
        if self._busy:
            return
        self._busy = True
        try:
            while self._stimuli:
                self._slot, instructions = slot.advance_slot(self._slot, self._stimuli.popleft())
                for instruction in instructions:
                    self._carry_out(instruction)
        finally:
            self._busy = False

    def _carry_out(self, instruction: slot.Instruction) -> None:
        match instruction:
            case slot.Send(_, due_s):
                if self._talk is None:  # the start has failed; its stimulus is in the queue
                    return
                self._mark = self._talk.stderr.total
                self._set_timer(due_s)
                self._talk.send_line(self._line)
                self._silence.begin_wait(self._event_id)
            case slot.End(key, outcome):
                self._set_timer(None)
                self._silence.end_wait()
                self._line = b""
                self._print_stderr(outcome)
                if outcome.failure is not None and self._talk is not None:
                    outcome = replace(outcome, last_lines=last_lines(self._read_stderr(self._talk, self._mark)))
                self._on_end(key, outcome)
            case slot.Spawn():
                self._start_container()
            case slot.Await(due_s):
                self._set_timer(due_s)
            case slot.CloseInput():
                if self._talk is not None:
                    self._talk.close_input()
            case slot.Kill():
                if self._child is not None:
                    self._children.kill_child(self._child)

    def _set_timer(self, due_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = self._loop.call_at(due_s, self.handle_stimulus, slot.Due())

    def _start_container(self) -> None:
        self._name, self._mark = f"ewms-warm-{os.urandom(16).hex()}", 0
        self._silence = Silence(self._name, has_read=self._has_read)
        try:
            files = self._files = self._work.begin_outputs("warm")
            place = RunPlace(data_hub=self._work.data_hub, home=files.home, secrets=self._work.secrets)
            command = task_command(self._runtime, self._program, self._external, place, self._name, listens=True)
            command = tie_to_parent(command, find_program(command), os.getpid())
            child, pipes = self._children.spawn_piped(command, on_end=self._on_exit)
        except (OSError, ValueError) as error:
            self._child = self._talk = None
            self._put_away()
            self.handle_stimulus(slot.Unstartable(container_not_started(TASK, os_text(error))))
            return
        self._child = child
        child.on_failure = lambda failure: self.handle_stimulus(slot.Misbehaved(failure))
        self._talk = ContainerPipes(
            pipes,
            on_line=self._on_answer,
            on_unasked=self._note_misbehaviour,
            on_closed=lambda: self.handle_stimulus(slot.Closed(self._loop.time())),
        )

    def _has_read(self) -> bool:
        return self._talk is not None and not self._talk.has_read_nothing()

    def _on_answer(self, line: bytes, more: bool) -> None:
        said = parse_answer(line, self._event_id, self._work.mask)
        if isinstance(said, RunOutcome):
            self.handle_stimulus(slot.Answered(said, more))
        else:
            text = self._work.mask.mask_text(line.decode(errors="replace"))
            printer.print_output("stdout", self._name, text[:DUMPED_BYTES])
            self.handle_stimulus(slot.Misbehaved(said))

    def _note_misbehaviour(self) -> None:
        failure = unasked_failure()
        if self.phase is SlotPhase.WARM:  # a container may write anything while it ends
            log.warning("the pilot replaces a warm container: %s", failure)
        self.handle_stimulus(slot.Misbehaved(failure))

    def _on_exit(self, code: int) -> None:
        talk = self._talk
        assert talk is not None
        talk.read_rest()
        self._set_timer(None)
        self._silence.end_wait()
        unread = talk.has_read_nothing()
        words, traceback = last_words(self._read_stderr(talk))
        talk.close()
        if self.is_free and self._slot.phase is SlotPhase.WARM:
            log.warning("a warm container ended between two events (exit code %d): %s", code, words)
        self._keep_stderr(talk)
        self._put_away()
        self.handle_stimulus(slot.Gone(self._loop.time(), code, words, traceback, unread))
        self._on_gone()

    def _read_stderr(self, talk: ContainerPipes, since: int = 0, limit: int = TAIL_BYTES) -> str:
        """Return the end of the standard error. It goes into errors and reports, so it has no secret in it."""
        return self._work.mask.mask_end(talk.stderr.read_tail(since, limit))

    def _print_stderr(self, outcome: RunOutcome) -> None:
        failed = outcome.failure is not None and not outcome.interrupted
        if self._talk is not None and (failed or self._settings.dump_output):
            text = self._read_stderr(self._talk, self._mark, DUMPED_BYTES)
            printer.print_output("stderr", self._name, text, always=self._settings.dump_output)

    def _keep_stderr(self, talk: ContainerPipes) -> None:
        """Write the end of the container's standard error into a file, if the settings tell to keep files."""
        if not self._settings.keep_files or self._files is None:
            return
        try:
            Path(self._files.stderr).write_text(talk.stderr.read_tail())
        except OSError as error:
            log.warning("the standard error of a warm container cannot be kept: %s", os_text(error))

    def _put_away(self) -> None:
        """Remove the container's files, unless the settings tell to keep files."""
        if self._files is not None and not self._settings.keep_files:
            self._leftovers.remove_files(self._files)
        self._files = None
