"""Threads for user code that may hang: one thread for each call. A call that hangs no longer counts as busy.

    in time     at most `n_threads` calls at once
    hung        the call has taken too long, and no longer counts. Python code gets an exception, which ends a loop.
                Code that waits in C, for a socket for instance, is left alone until it returns.

Only a few calls of the same code may hang at once. So a form that hangs costs a few threads, and does not delay other
forms.
"""

import asyncio
import ctypes
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from runtime.telemetry import gauge, log
from schemas.errors import Unavailable

#: How many calls of the same code may hang at once.
_MOST_HUNG = 3

T = TypeVar("T")

_hung_calls = gauge("steps_hung_forms", "Forms and conditions that take longer than allowed and have not ended.")


class TookTooLong(Exception):
    """The call of user code has taken longer than the limit."""


class HangsAgain(Exception):
    """Earlier calls of the same code still hang, so the code is not called again."""


class EndedByWorker(BaseException):
    """The worker raises this in a thread, because the code in the thread has taken too long."""


class QuestionThreads:
    """Calls user code in threads, each for at most `limit_s` seconds. Call its methods on the event loop only."""

    def __init__(self, *, n_threads: int, limit_s: float) -> None:
        self._n_free = n_threads
        self._limit_s = limit_s
        #: How many calls hang now, by the name of the code.
        self._n_hung: Counter[str] = Counter()

    async def call(self, work: Callable[[], T], code: str) -> T:
        """Call `work` in a thread, and return its result. `code` is the name of the user code, for errors and for
        counting.

        Raises:
            Unavailable: `n_threads` calls are under way, or the machine can start no further thread.
            TookTooLong: the call takes longer than the limit. It goes on, and its result is dropped.
            HangsAgain: several calls of the same code hang already.
        """
        if self._n_hung[code] >= _MOST_HUNG:
            raise HangsAgain(
                f"{code} hangs: {_MOST_HUNG} earlier calls of it have not ended after {self._limit_s:g} s each. "
                "Mend it, and restart the step worker"
            )
        if not self._n_free:
            raise Unavailable("the step worker is busy with other forms", hint="try again, or start another worker")
        self._n_free -= 1
        try:
            called = _ThreadedCall(work, asyncio.get_running_loop())
            try:
                await asyncio.wait([called.result], timeout=self._limit_s)
            finally:
                # Its time is over, or the caller was cancelled.
                if not called.result.done():
                    self._leave_hung(called, code)
        finally:
            self._n_free += 1
        if called.result.done():
            return called.result.result()
        raise TookTooLong(f"{code} took longer than {self._limit_s:g} s")

    def _leave_hung(self, call: "_ThreadedCall[Any]", code: str) -> None:
        self._n_hung[code] += 1
        _hung_calls.inc()
        log.warning("a form or a condition hangs; its place goes to another", code=code, n_hung=self._n_hung[code])
        call.result.add_done_callback(lambda result: self._note_end(result, code))
        call.interrupt()

    def _note_end(self, result: "asyncio.Future[Any]", code: str) -> None:
        self._n_hung[code] -= 1
        _hung_calls.dec()
        result.exception()  # mark it as seen: its caller has gone on
        log.info("a form or a condition that hung has ended", code=code)


class _ThreadedCall(Generic[T]):
    """One call in a new thread, which does not keep the process alive.

    Raises:
        Unavailable: the machine can start no further thread.
    """

    def __init__(self, work: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.result: asyncio.Future[T] = loop.create_future()
        self._work = work
        self._loop = loop
        #: What the thread has found. The first entry counts.
        self._found: list[T | BaseException] = []
        #: The thread runs the work. Only then an interrupt may hit it, and only once.
        self._may_interrupt = False
        self._is_interrupted = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run_work, name="question", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise Unavailable("the step worker can start no further thread", hint="try again") from error

    def interrupt(self) -> None:
        """Raise EndedByWorker in the thread when it next runs Python code. Do nothing if the work has ended."""
        with self._lock:
            # Another thread may have the ident of one that has ended.
            if self._may_interrupt and self._thread.ident is not None:
                _set_thread_exception(self._thread.ident, EndedByWorker)
            self._may_interrupt = False
            self._is_interrupted = True

    def _run_work(self) -> None:
        """Do the work, and set the result. The interrupt may come at any point, but only once: then go on from that
        point.
        """
        while True:
            try:
                if not self._found:
                    self._found.append(self._call_work())
                with self._lock:
                    self._may_interrupt = False
                # No interrupt comes any more. One that is on its way is dropped.
                if self._is_interrupted:
                    _drop_thread_exception()
                self._settle_soon(self._found[0])
            except EndedByWorker as ended:
                self._found.append(ended)
            else:
                return

    def _call_work(self) -> "T | BaseException":
        with self._lock:
            if self._is_interrupted:
                return EndedByWorker()
            self._may_interrupt = True
        try:
            return self._work()
        except BaseException as error:  # noqa: BLE001 - each exception is a result of the call
            return error

    def _settle_soon(self, found: "T | BaseException") -> None:
        # The loop is closed if the worker has ended meanwhile.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle_result, found)

    def _settle_result(self, found: "T | BaseException") -> None:
        if self.result.done():
            return
        if isinstance(found, EndedByWorker):
            self.result.set_exception(TookTooLong("ended"))
        elif isinstance(found, StopIteration):
            # No future takes it.
            self.result.set_exception(RuntimeError(f"the code raised StopIteration: {found}"))
        elif isinstance(found, BaseException):
            self.result.set_exception(found)
        else:
            self.result.set_result(found)


def _set_thread_exception(ident: int, exception: type[BaseException]) -> None:
    """Raise `exception` in the thread `ident` when that thread next runs Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(exception))


def _drop_thread_exception() -> None:
    """Drop an EndedByWorker that has been raised for this thread, but has not arrived yet.

    Python clears its note of such an exception only when the thread raises it. As long as the note stays, each thread
    is slower, and a debugger that traces calls (`sys.settrace`) stops Python 3.11 for ever. So raise another one in its
    place.
    """
    with suppress(EndedByWorker):
        _set_thread_exception(threading.get_ident(), EndedByWorker)
        while True:
            pass
