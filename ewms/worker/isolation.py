"""Call a step in a process of its own, for `isolate=True`: what it leaks, or crashes, is not the worker's.

The process imports the modules anew, which takes about a second. It dies with the worker.
"""

import ctypes
import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ewms.steps.wire_outcomes import describe_failure
from ewms.worker.offers import load_offers
from ewms.worker.step_calling import call_ordered
from schemas.events import NodeRun
from schemas.runs import Outcome

#: The option of Linux's `prctl` by which a process gets a signal when its parent dies. Source: prctl(2).
_PR_SET_PDEATHSIG = 1


def call_isolated(order: NodeRun, modules: Sequence[str]) -> dict[str, Any]:
    """Call the step of `order` in a new process and return the fields of `node.ended`."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_die_with_parent) as executor:
        try:
            return executor.submit(_call_here, order.model_dump_json(), tuple(modules)).result()
        except BrokenProcessPool:
            lost = {"class": "ProcessLost", "error": f"the process of {order.name!r} ended without a result"}
            return {"outcome": Outcome.FAILED, "error": describe_failure(lost)}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _call_here(order: str, modules: tuple[str, ...]) -> dict[str, Any]:
    read = NodeRun.model_validate_json(order)
    return call_ordered(read, load_offers(modules, read.pool), None)
