"""The chain as a step list of ours: one workflow for each length in `BENCH_LENGTHS`."""

import os

from ewms.steps import State, begin, step, task
from tests.bench.peers.chain_trace import carry

LENGTHS = "BENCH_LENGTHS"


def name_chain(n_steps: int) -> str:
    """Return the name of the workflow of so many steps."""
    return f"carry_{n_steps}"


@step("Carry")
def carry_on(chain: str, payload: str) -> State:
    return {"payload": carry(chain, payload)}


def _define(n_steps: int) -> None:
    steps = begin
    for _ in range(n_steps):
        steps = steps >> carry_on

    def make_steps() -> object:
        return steps

    make_steps.__name__ = make_steps.__qualname__ = name_chain(n_steps)
    task(f"A chain of {n_steps}")(make_steps)  # type: ignore[arg-type]  # a step list


for n in os.environ.get(LENGTHS, "").split():
    _define(int(n))
