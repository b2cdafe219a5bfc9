"""Run the lifecycle: give it each stimulus, carry out its instructions, and send a tick when one is due. (core)

A stimulus waits in a queue while the lifecycle handles another stimulus.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from pilot.life import lifecycle
from pilot.life.instructions import Instruction
from pilot.life.state import PilotState, Policy
from pilot.life.stimuli import Stimulus, Tick


class Timer(Protocol):
    """A call that a clock will make."""

    def cancel(self) -> None:
        """Do not make the call."""
        ...

    def when(self) -> float:
        """Return the time of the call."""
        ...


class Clock(Protocol):
    """A clock of monotonic seconds: the event loop, or the virtual clock of a simulation."""

    def time(self) -> float:
        """Return the present time."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call `callback` at the time `when`, and return the timer of the call."""
        ...


class LifecycleRunner:
    """Runs the lifecycle of one pilot. It calls `carry_out` with each instruction, in order.

    `make_tick` returns the `Tick` to handle when the lifecycle's next tick is due. `clock` says when that is.
    """

    def __init__(
        self, carry_out: Callable[[Instruction], None], *, make_tick: Callable[[], Tick], clock: Clock
    ) -> None:
        self._clock = clock
        self._carry_out = carry_out
        self._make_tick = make_tick
        self._state: PilotState | None = None
        self._stimuli: deque[Stimulus] = deque()
        self._busy = False
        self._timer: Timer | None = None

    def begin_life(self, policy: Policy) -> None:
        """Start the lifecycle with `policy`, and carry out the first instructions."""
        self._state, instructions = lifecycle.begin_life(policy, self._clock.time())
        self._carry_out_all(instructions)

    def cancel_timer(self) -> None:
        """Send no more ticks."""
        if self._timer is not None:
            self._timer.cancel()

    def handle_stimulus(self, stimulus: Stimulus) -> None:
        """Give `stimulus` to the lifecycle, and carry out the instructions that follow.

        During another stimulus only store it.
        """
        self._stimuli.append(stimulus)
        if self._busy or self._state is None:
            return
        self._carry_out_all(())

    def _carry_out_all(self, instructions: list[Instruction] | tuple[()]) -> None:
        assert self._state is not None
        self._busy = True
        try:
            for instruction in instructions:
                self._carry_out(instruction)
            while self._stimuli:
                self._state, more = lifecycle.advance_life(self._state, self._stimuli.popleft())
                for instruction in more:
                    self._carry_out(instruction)
        finally:
            self._busy = False
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer for the next tick.

        A tick that comes early does no harm, and costs less than a new timer for every event.
        """
        assert self._state is not None
        due_s = lifecycle.wake_at(self._state)
        if due_s is None or (self._timer is not None and self._timer.when() <= due_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at(due_s, self._on_tick)

    def _on_tick(self) -> None:
        self._timer = None
        self.handle_stimulus(self._make_tick())
