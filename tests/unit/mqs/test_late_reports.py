"""A report that was older than MQS took it for makes numbers wrong for some seconds, and not for ever."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mqs.broker import progress_book
from mqs.broker.picture import QueuePicture, QueueReport
from mqs.broker.progress_book import ProgressBook
from mqs.broker.traffic import Counters, QueueTraffic
from schemas.fleet.queue_documents import MQGroupDocument
from schemas.ids import Mqid, WorkflowId

Q = Mqid("a00000000000000000001")
GROUP = MQGroupDocument(workflow_id=WorkflowId("WF-1"), timestamp=0.0, criteria={})


def test_events_that_a_late_report_has_missed_are_no_longer_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(progress_book, "_now_s", lambda: now_s)
    book = ProgressBook(cast(Any, None), cast(Any, SimpleNamespace(epoch=1)))

    def draw(n_reported: int) -> tuple[int, int, int]:
        picture = book.draw_picture(
            Q,
            QueueTraffic(now=Counters(n_published=3)),
            QueueReport(n_ready=n_reported),
            n_ready=3,
            n_consumers=0,
            n_replayed=0,
            asked_at_s=now_s,
            epoch=1,
            settle_s=2.0,
        )
        settled = book.settle_failed(GROUP, {Q: picture}, n_failed=0)
        found: QueuePicture = settled[Q]
        return found.n_arrived, found.n_ready, found.n_gone

    assert draw(3) == (3, 3, 0)
    now_s += 5
    # The broker has not reported for longer than it promises: its report still says that the queue is empty.
    assert draw(0) == (3, 0, 3)
    now_s += 1
    assert draw(3) == (3, 0, 3)
    now_s += 11
    assert draw(3) == (3, 3, 0)
    now_s += 1
    assert draw(3) == (3, 3, 0)
