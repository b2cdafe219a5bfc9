"""Decide what happens to one slot of warm tasks, its container and the event in it. (core)

    COLD -> WARM -> ENDING -> COLD | WARM

The pilot starts a container ahead, so that the first event finds a warm container. When a container ends that has
answered an event, the slot starts a new one at once. When a container ends that has answered none, the slot starts a
new one only for the next event. So a container that always dies uses up attempts like any task that fails, and does not
start again and again.

If a container ends because of an event, the slot reports the outcome of that event after the container's end.
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from pilot.containers.task_interface import RunOutcome
from pilot.failures.container_failures import TASK, container_ended, container_timed_out
from pilot.failures.error_text import NOTHING
from pilot.failures.failure import Failure
from pilot.life.records import replace
from schemas.payloads.data_events import DeadReason

#: A container that has closed a pipe has this many seconds to end by itself, so that the failure can name its exit
#: code.
LAST_WORDS_S = 1.0


class SlotPhase(StrEnum):
    """The phases of a slot's container."""

    COLD = "cold"
    WARM = "warm"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a slot. Times are seconds.

    `timeout_s` limits one event (None: no limit). `start_s` is added for the start of a container. `memory_bytes` is
    the memory that was requested for the worker (None: unknown).
    """

    timeout_s: float | None
    start_s: float
    memory_bytes: int | None = None


@dataclass(frozen=True)  # without slots, for `replace`
class Slot:
    """The state of one slot: all that a decision needs besides the stimulus."""

    limits: Limits
    phase: SlotPhase = SlotPhase.COLD
    started_s: float = 0.0
    #: How many events this container has answered.
    n_answers: int = 0
    #: `key`: the event in this slot, or None. `given`: whether its line was sent. `verdict`: its outcome, once decided.
    key: int | None = None
    given: bool = False
    verdict: RunOutcome | None = None
    #: Whether the container closed a pipe, did not end by itself, and was killed.
    mute: bool = False
    #: Whether the slot starts no more containers.
    closing: bool = False


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """The slot must start a container before the first event comes."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Given:
    """The slot has got an event."""

    now_s: float
    key: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The container has answered its event. `more`: it wrote more after the answer."""

    outcome: RunOutcome
    more: bool = False


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """The container has broken a rule of the lines."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Closed:
    """The container has closed its standard input or output."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Due:
    """The time limit that `Send` or `Await` has set is over."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The container and all its processes have ended. `unread`: it has read nothing of its last line."""

    now_s: float
    code: int
    words: str = NOTHING
    traceback: str = ""
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Unstartable:
    """The container's command could not be started."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Dismissed:
    """No more events will come."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The pilot kills all containers at once."""


Stimulus = WarmedUp | Given | Answered | Misbehaved | Closed | Due | Gone | Unstartable | Dismissed | Killed


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a container."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the event's line to the container. If the container has not answered by `due_s`, answer `Due`."""

    key: int
    due_s: float | None


@dataclass(frozen=True, slots=True)
class Await:
    """If the container has not ended by `due_s`, answer `Due`."""

    due_s: float


@dataclass(frozen=True, slots=True)
class CloseInput:
    """Close the container's standard input, so that the container ends: no more events come."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the container and all its processes."""


@dataclass(frozen=True, slots=True)
class End:
    """Report the outcome of the event. The slot is free again."""

    key: int
    outcome: RunOutcome


Instruction = Spawn | Send | Await | CloseInput | Kill | End
Step = tuple[Slot, list[Instruction]]


def advance_slot(slot: Slot, stimulus: Stimulus) -> Step:
    """Return `slot` after `stimulus`, and the instructions to carry out. A stimulus that comes too late is ignored."""
    match stimulus:
        case WarmedUp(now_s) if slot.phase is SlotPhase.COLD and not slot.closing:
            return _start_container(slot, now_s)
        case Given(now_s, key):
            return _take_event(slot, now_s, key)
        case Answered(outcome, more) if _is_at_work(slot) and slot.key is not None:
            answered = replace(slot, n_answers=slot.n_answers + 1)
            if more:
                return _begin_ending(answered, outcome, [Kill()])
            return replace(answered, key=None, given=False), [End(slot.key, outcome)]
        case Misbehaved(failure) if slot.phase is SlotPhase.WARM:
            return _begin_ending(slot, RunOutcome(failure=failure), [Kill()])
        case Closed(now_s) if slot.phase is SlotPhase.WARM:
            return _begin_ending(slot, None, [Await(now_s + LAST_WORDS_S)])
        case Due() if _is_at_work(slot):
            return _begin_ending(
                slot, RunOutcome(failure=container_timed_out(TASK, slot.limits.timeout_s or 0)), [Kill()]
            )
        case Due() if slot.phase is SlotPhase.ENDING:
            return replace(slot, mute=True), [Kill()]
        case Gone() if slot.phase is not SlotPhase.COLD:
            return _record_end(slot, stimulus)
        case Unstartable(failure) if slot.phase is SlotPhase.WARM:
            cold = Slot(slot.limits, closing=slot.closing)
            return cold, [] if slot.key is None else [End(slot.key, RunOutcome(failure=failure))]
        case Dismissed() if slot.key is None:
            slot = replace(slot, closing=True)
            return _begin_ending(slot, None, [CloseInput()]) if slot.phase is SlotPhase.WARM else (slot, [])
        case Dismissed() | Killed():
            slot = replace(slot, closing=True)
            return (
                (slot, [])
                if slot.phase is SlotPhase.COLD
                else _begin_ending(slot, RunOutcome(interrupted=True), [Kill()])
            )
        case _:
            return slot, []


def _is_at_work(slot: Slot) -> bool:
    return slot.phase is SlotPhase.WARM and slot.key is not None


def _start_container(slot: Slot, now_s: float) -> Step:
    """Start a container. If an event waits in this slot, send it to the container."""
    slot = Slot(slot.limits, SlotPhase.WARM, started_s=now_s, key=slot.key)
    if slot.key is None:
        return slot, [Spawn()]
    slot, sending = _send_event(slot, now_s, slot.key)
    return slot, [Spawn(), *sending]


def _take_event(slot: Slot, now_s: float, key: int) -> Step:
    assert slot.key is None, "a slot holds one event"
    if slot.closing:
        return slot, [End(key, RunOutcome(interrupted=True))]
    match slot.phase:
        case SlotPhase.COLD:
            return _start_container(replace(slot, key=key), now_s)
        case SlotPhase.WARM:
            return _send_event(slot, now_s, key)
        case SlotPhase.ENDING:
            return replace(slot, key=key), []


def _send_event(slot: Slot, now_s: float, key: int) -> Step:
    """Send the event to the container. The first event has more time, because the container is still starting."""
    from_s = now_s if slot.n_answers else max(now_s, slot.started_s + slot.limits.start_s)
    due_s = None if slot.limits.timeout_s is None else from_s + slot.limits.timeout_s
    return replace(slot, key=key, given=True), [Send(key, due_s)]


def _begin_ending(slot: Slot, verdict: RunOutcome | None, instructions: list[Instruction]) -> Step:
    """Begin to end the container. If it has an event without an outcome, `verdict` becomes its outcome."""
    if slot.key is not None:
        slot = replace(slot, verdict=slot.verdict or verdict)
    return replace(slot, phase=SlotPhase.ENDING), instructions


def _record_end(slot: Slot, gone: Gone) -> Step:
    cold = Slot(slot.limits, closing=slot.closing)
    useful = slot.n_answers > 0
    verdict = slot.verdict
    if slot.key is not None and verdict is None:
        # If the event was not sent or not read, another container gets it. But a container without any answer may never
        # read at all, so its event fails.
        if not slot.given or (gone.unread and useful):
            return _start_container(replace(cold, key=slot.key), gone.now_s)
        memory_bytes = slot.limits.memory_bytes
        failure = container_ended(gone.code, gone.words, gone.traceback, mute=slot.mute, memory_bytes=memory_bytes)
        verdict = RunOutcome(failure=failure)
    elif verdict is not None and verdict.failure is not None:
        verdict = dataclasses.replace(verdict, failure=_with_words(verdict.failure, gone))
    told: list[Instruction] = []
    if slot.key is not None and verdict is not None:
        told = [End(slot.key, verdict)]
    if useful and not slot.closing:
        warm, spawning = _start_container(cold, gone.now_s)
        return warm, [*told, *spawning]
    return cold, told


def _with_words(failure: Failure, gone: Gone) -> Failure:
    # A timeout or a lack of memory explains itself, and its text must be the same for all events.
    if gone.words == NOTHING or failure.reason in (DeadReason.TASK_TIMED_OUT, DeadReason.OUT_OF_MEMORY):
        return failure
    return dataclasses.replace(failure, text=f"{failure.text}; standard error: {gone.words}", traceback=gone.traceback)
