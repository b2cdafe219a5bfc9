"""What the pilot's decisions cost in CPU an event, and a copy of its state beside that of the standard library.

    python -m tests.bench.pilot_core [--events N] [--repeat R]

Events arrive, run, and are confirmed; no broker, no task. `held` is how many events the pilot has in hand all the time.
"""

import argparse
import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from pilot.life.instructions import Start
from pilot.life.lifecycle import advance_life, begin_life
from pilot.life.records import replace
from pilot.life.state import PilotState, Policy
from pilot.life.stimuli import EventArrived, HeldEvent, PublishConfirmed, RunEnded, Stimulus, Tick
from schemas.ids import EventId

POLICY = Policy(4, 60.0, 60.0, 10.0, 60.0, warm=True, prefetch=64)


class Life:
    """A pilot's life, driven by hand."""

    def __init__(self) -> None:
        self.state: PilotState = begin_life(POLICY, 0.0)[0]
        self.started: deque[int] = deque()
        self.now_s = 0.0
        self.send(Tick(0.0))

    def send(self, stimulus: Stimulus) -> None:
        """Advance the life, and note the events that it starts."""
        self.now_s += 1e-4
        self.state, instructions = advance_life(self.state, stimulus)
        self.started += [each.key for each in instructions if isinstance(each, Start)]


def run_events(n: int, held: int) -> float:
    """Return the CPU microseconds of an event."""
    life, n_arrived = Life(), 0
    begun_s = time.process_time()
    for n_done in range(n):
        while n_arrived - n_done < held:
            n_arrived += 1
            life.send(EventArrived(life.now_s, HeldEvent(n_arrived, EventId(str(n_arrived)), 1, "q")))
        key = life.started.popleft()
        life.send(RunEnded(life.now_s, key, 0.001, has_output=True))
        life.send(PublishConfirmed(life.now_s, key))
    return (time.process_time() - begun_s) / n * 1e6


def time_copies(copy: Callable[..., PilotState], n: int) -> float:
    """Return the CPU microseconds of a copy of a state with two changes."""
    state = Life().state
    begun_s = time.process_time()
    for number in range(n):
        copy(state, ticked_s=float(number), seen_any=True)
    return (time.process_time() - begun_s) / n * 1e6


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args(arguments)
    table = Table("what", "CPU us", title=f"the pilot's decisions, load {os.getloadavg()[0]:.1f}")
    for held in (4, 16, 64):
        best = min(run_events(options.events, held) for _ in range(options.repeat))
        table.add_row(f"an event, {held} held", f"{best:.0f}")
    ours, theirs = (
        min(time_copies(copy, options.events) for _ in range(options.repeat)) for copy in (replace, dataclasses.replace)
    )
    table.add_row("a copy of the state", f"{ours:.2f}")
    table.add_row("the same by dataclasses.replace", f"{theirs:.2f} ({theirs / ours:.0f} times)")
    Console().print(table)


if __name__ == "__main__":
    main()
