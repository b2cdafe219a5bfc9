"""Make ids for the objects of a request, and the cursors by which queries page. (core)

All randomness comes from one seed, so that a decision depends only on its arguments.
"""

import hashlib
from datetime import datetime

from schemas import ids
from schemas.ids import Mqid, TaskforceUuid, TaskId, WorkflowId


class IdSource:
    """Makes any number of ids from one seed (at most 64 bytes) and one instant. Equal seeds give equal ids."""

    def __init__(self, seed: bytes, now: datetime) -> None:
        self._seed = seed
        self._now = now.timestamp()
        self._n_drawn = 0
        self._n_cursors = 0

    def _draw_number(self, n_bytes: int) -> int:
        self._n_drawn += 1
        digest = hashlib.blake2b(self._n_drawn.to_bytes(8, "big"), key=self._seed, digest_size=n_bytes)
        return int.from_bytes(digest.digest(), "big")

    def make_workflow_id(self) -> WorkflowId:
        """Return a new workflow's id."""
        return ids.workflow_id(int(self._now), self._draw_number(4))

    def make_task_id(self, workflow: WorkflowId) -> TaskId:
        """Return a new task directive's id."""
        return ids.task_id(workflow, self._draw_number(4))

    def make_taskforce_uuid(self, task: TaskId) -> TaskforceUuid:
        """Return a new taskforce's id."""
        return ids.taskforce_uuid(task, self._draw_number(4))

    def make_mqid(self, *, for_results: bool) -> Mqid:
        """Return a new queue's id. `for_results` is whether users, and not tasks, take events from the queue."""
        return ids.mqid(self._draw_number(10), for_results=for_results)

    def make_cursor(self) -> str:
        """Return 24 hex digits. They grow with the instant (in milliseconds), and with each call."""
        self._n_cursors += 1
        return f"{int(self._now * 1000):012x}{self._n_cursors:04x}{self._draw_number(4):08x}"
