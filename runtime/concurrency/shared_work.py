"""Let callers that want the same thing at the same time share the work, and use its result for a moment.

    find = lambda: read_workflow(id)
    await shared.find_result(("workflow", id), find)      200 callers within `kept_for_s`: one reading

Only what all these callers may see belongs here: check each caller's rights before.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Result = TypeVar("Result")


class SharedWork:
    """Results by key, each dropped `kept_for_s` seconds after its work began. At most `most` are kept, the newest."""

    def __init__(self, *, kept_for_s: float = 1.0, most: int = 1000) -> None:
        self._kept_for_s = kept_for_s
        self._most = most
        #: Key -> the task that makes the result, and when it began.
        self._tasks: OrderedDict[Hashable, tuple[asyncio.Task[Any], float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many results are kept or under way."""
        return len(self._tasks)

    async def find_result(self, key: Hashable, make: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result for `key`: a recent one, that of work under way, or a new one of `make`.

        If the work fails, all who wait for it get the error, and the next caller tries again. A caller that is
        cancelled does not cancel the work of the others.
        """
        now_s = asyncio.get_running_loop().time()
        task, began_s = self._tasks.get(key, (None, 0.0))
        if task is None or _is_spent(task) or (task.done() and now_s - began_s > self._kept_for_s):
            task = asyncio.ensure_future(_await_result(make))
            self._tasks[key] = (task, now_s)
            self._tasks.move_to_end(key)
            task.add_done_callback(lambda done: self._plan_drop(key, done, now_s + self._kept_for_s))
            while len(self._tasks) > self._most:
                self._tasks.popitem(last=False)
        result: Result = await asyncio.shield(task)
        return result

    def forget_result(self, key: Hashable) -> None:
        """Forget the result for `key`, because it is out of date."""
        self._tasks.pop(key, None)

    def _plan_drop(self, key: Hashable, done: "asyncio.Task[Any]", at_s: float) -> None:
        """Drop the result of `done` at the time `at_s` of the loop, so that it takes no memory after its time."""
        asyncio.get_running_loop().call_at(at_s, self._drop_result, key, done)

    def _drop_result(self, key: Hashable, done: "asyncio.Task[Any]") -> None:
        task, _ = self._tasks.get(key, (None, 0.0))
        if task is done:
            del self._tasks[key]


async def _await_result(make: Callable[[], Awaitable[Result]]) -> Result:
    return await make()


def _is_spent(task: "asyncio.Task[Any]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
