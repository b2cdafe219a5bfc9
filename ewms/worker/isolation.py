"""Call a step in a new process, for `isolate=True`. If the step leaks or crashes, the worker stays well.

The new process imports the modules again, which takes about a second. It dies with the worker.
"""

import ctypes
import multiprocessing
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ewms.steps.wire_outcomes import describe_failure
from ewms.worker.offers import load_offers
from ewms.worker.step_calling import call_ordered
from ewms.worker.subscription_source import AskWms, refuse_questions
from schemas.engine.runs import Outcome
from schemas.errors import EWMSError, find_family
from schemas.events import NodeRun
from schemas.questions.bases import Answer, Question, Refusal
from schemas.wire import answer_from_bytes, answer_to_bytes, request_from_bytes, request_to_bytes

#: The option of Linux's `prctl` by which a process gets a signal when its parent dies. Source: prctl(2).
_PR_SET_PDEATHSIG = 1
#: How often the worker's thread looks whether the step has ended, while the step asks nothing.
_LOOK_S = 0.02

#: In a step's own process: the way to the worker. One question at a time goes over it.
_pipes: list[Connection] = []
_asking = threading.Lock()


def call_isolated(
    order: NodeRun, modules: Sequence[str], ask: AskWms = refuse_questions, alias: str = ""
) -> dict[str, Any]:
    """Call the step of `order` in a new process, and return the fields of `node.ended`.

    The new process has no connection to the broker. Its questions to WMS come through a pipe, and `ask` asks WMS.
    """
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    with (
        ours,
        ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_begin_process, initargs=(its,)) as executor,
    ):
        called = executor.submit(_call_here, order.model_dump_json(), tuple(modules), alias)
        # The process has its own end now. With this one closed, its death ends the pipe.
        its.close()
        try:
            _answer_until(called, ours, ask)
            return called.result()
        except BrokenProcessPool:
            lost = {"class": "ProcessLost", "error": f"the process of {order.name!r} ended without a result"}
            return {"outcome": Outcome.FAILED, "error": describe_failure(lost)}


def _answer_until(called: "Future[dict[str, Any]]", pipe: Connection, ask: AskWms) -> None:
    """Answer the questions that come through `pipe` until the step or its process has ended."""
    with suppress(EOFError, OSError):
        while not called.done():
            if pipe.poll(_LOOK_S):
                pipe.send_bytes(_answer_question(pipe.recv_bytes(), ask))


def _answer_question(question: bytes, ask: AskWms) -> bytes:
    try:
        return answer_to_bytes(ask(request_from_bytes(question)))
    except EWMSError as error:
        return answer_to_bytes(Refusal(code=error.code, error=error.reason, hint=error.hint))


def _begin_process(pipe: Connection) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _pipes.append(pipe)


def _ask_parent(question: Question) -> Answer:
    [pipe] = _pipes
    with _asking:
        pipe.send_bytes(request_to_bytes(question))
        answer = answer_from_bytes(pipe.recv_bytes())
    if isinstance(answer, Refusal):
        raise find_family(answer.code)(answer.error, hint=answer.hint)
    return answer


def _call_here(order: str, modules: tuple[str, ...], alias: str) -> dict[str, Any]:
    read = NodeRun.model_validate_json(order)
    return call_ordered(read, load_offers(modules, read.pool, alias=alias), _ask_parent)
