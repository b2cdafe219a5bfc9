"""The numbers of a queue add up, count no event as gone that is in hand, and catch up with the truth."""

import random
from dataclasses import astuple, dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.broker.picture import (
    CertainCount,
    QueueCount,
    QueuePicture,
    QueueReport,
    choose_past,
    count_arrived_by_report,
    count_dead_letters,
    count_succeeded,
    settle_failed,
    take_picture,
)
from mqs.broker.traffic import BrokerLife, Counters, QueueTraffic, add_count, count_arrived
from schemas.ids import Mqid

QUEUE, OTHER = Mqid("a" + "0" * 20), Mqid("a" + "1" * 20)


def traffic(n_acknowledged: int, n_published: int = 40) -> QueueTraffic:
    return QueueTraffic(now=Counters(n_published, n_acknowledged))


def draw(
    report: tuple[int, int, int],
    n_ready: int,
    *,
    n_acknowledged: int = 0,
    n_arrived: int = 40,
    n_past: int | None = None,
    n_gone_before: int = 0,
    n_consumers: int = 2,
) -> tuple[int, int, int, int]:
    """Return (waiting, in work, put off, gone) of a queue."""
    picture = take_picture(
        traffic(n_acknowledged),
        QueueReport(*report),
        None if n_past is None else CertainCount(0.0, n_past, 0),
        n_arrived=n_arrived,
        n_ready=n_ready,
        n_consumers=n_consumers,
        n_gone_before=n_gone_before,
    )
    assert picture.n_arrived == n_arrived
    return picture.n_ready, picture.n_unacknowledged, picture.n_delayed, picture.n_gone


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        # Published a moment ago: the queue has not reported yet. Two were taken meanwhile.
        (draw((0, 0, 0), 38), (38, 2, 0, 0)),
        # All came before the report, so what it does not have has gone. The acknowledgements are counted late.
        (draw((34, 2, 0), 32, n_past=40), (34, 2, 0, 4)),
        (draw((27, 2, 3), 25, n_past=40, n_acknowledged=6), (27, 2, 3, 8)),
        # Nothing is known from before the report: what was not acknowledged may be in hand.
        (draw((34, 2, 0), 32), (34, 6, 0, 0)),
        # Ten more have come since the report.
        (draw((20, 2, 0), 30, n_arrived=50, n_past=40), (30, 2, 0, 18)),
        # Events of the report have been acknowledged since.
        (draw((10, 2, 1), 6, n_past=40, n_acknowledged=31), (6, 2, 1, 31)),
        (draw((0, 2, 1), 0, n_past=40, n_acknowledged=39), (0, 0, 1, 39)),
        # An earlier picture was right.
        (draw((34, 2, 0), 32, n_gone_before=4), (34, 2, 0, 4)),
        # After a restart of the broker: no report yet, and no worker that could have any of them.
        (draw((0, 0, 0), 0, n_acknowledged=37, n_consumers=0), (3, 0, 0, 37)),
        (draw((0, 0, 0), 0, n_acknowledged=37, n_gone_before=40, n_consumers=0), (0, 0, 0, 40)),
        (draw((0, 0, 0), 0, n_acknowledged=37), (0, 3, 0, 37)),
        # A worker that takes no more events may still have one.
        (draw((0, 1, 0), 0, n_acknowledged=37, n_consumers=0), (0, 3, 0, 37)),
        # What the broker itself made a dead letter was never acknowledged.
        (draw((0, 0, 0), 0, n_past=40, n_acknowledged=27), (0, 0, 0, 40)),
    ],
)
def test_waiting_in_work_put_off_and_gone_add_up(
    given_: tuple[int, int, int, int], expected: tuple[int, int, int, int]
) -> None:
    assert given_ == expected


def _picture(n_ready: int, n_unacknowledged: int, n_delayed: int, n_gone: int) -> QueuePicture:
    n_all = n_ready + n_unacknowledged + n_delayed + n_gone
    return QueuePicture(n_all, n_ready, n_unacknowledged, n_delayed, n_gone)


@pytest.mark.parametrize(
    ("before", "n_failed", "n_succeeded", "after"),
    [
        # Of 40 put-off events one is a dead letter by now.
        (_picture(0, 0, 40, 0), 1, 0, _picture(0, 0, 39, 1)),
        # 18 have succeeded before, so the dead letter is none of those.
        (_picture(16, 2, 3, 18), 1, 18, _picture(16, 2, 2, 19)),
        # The last attempt was under way at the report.
        (_picture(0, 2, 0, 38), 3, 37, _picture(0, 0, 0, 40)),
        # It was taken and given up since the report.
        (_picture(2, 0, 0, 0), 1, 0, _picture(1, 0, 0, 1)),
        # Everything that failed has gone already.
        (_picture(5, 1, 1, 33), 3, 30, _picture(5, 1, 1, 33)),
        # There is nothing to take it from: numbers never become negative.
        (_picture(0, 0, 0, 4), 9, 0, _picture(0, 0, 0, 4)),
    ],
)
def test_a_dead_letter_is_in_no_queue_any_more(
    before: QueuePicture, n_failed: int, n_succeeded: int, after: QueuePicture
) -> None:
    others = {OTHER: _picture(0, 0, 0, 0)}
    settled = settle_failed({QUEUE: before, **others}, {}, n_failed=n_failed, n_succeeded=n_succeeded)
    assert settled == {QUEUE: after, **others}


@pytest.mark.parametrize(
    ("n_ready", "n_consumers", "n_on_loan", "n_letters"),
    [
        (5, 0, None, 5),
        (1, 1, 4, 5),
        # The loan has just begun, or some letters have just left: the queue's last report knows nothing of that.
        (0, 1, 0, 0),
        # Another MQS reads the queue, and the last report has its letters.
        (1, 1, None, 4),
        # It has ended since.
        (4, 0, None, 4),
    ],
)
def test_letters_on_loan_are_in_the_dead_queue(
    n_ready: int, n_consumers: int, n_on_loan: int | None, n_letters: int
) -> None:
    count = QueueCount(n_ready, n_consumers=n_consumers, reported=QueueReport(9, 3, 0))
    assert count_dead_letters(count, n_on_loan=n_on_loan).n_events == n_letters


def test_a_replayed_letter_has_gone_twice_and_failed_no_more() -> None:
    # 3 events: one is done, one failed and was replayed, and one is a dead letter.
    pictures = {QUEUE: QueuePicture(4, 0, 1, 0, 3)}
    assert count_succeeded(pictures, {QUEUE: 1}, 1) == 1
    assert settle_failed(pictures, {QUEUE: 1}, n_failed=1, n_succeeded=1) == pictures


@pytest.mark.parametrize(
    ("at_s", "epoch", "expected"), [(10.0, 0, 8.0), (9.9, 0, 3.0), (4.9, 0, None), (30.0, 1, 12.0), (13.0, 1, None)]
)
def test_what_was_certain_before_the_report_counts_in_the_same_life_of_the_broker(
    at_s: float, epoch: int, expected: float | None
) -> None:
    counts = [CertainCount(3.0, 5, 0), CertainCount(8.0, 9, 0), CertainCount(12.0, 9, 0, epoch=1)]
    found = choose_past(counts, at_s=at_s, epoch=epoch, settle_s=2.0)
    assert (found and found.at_s) == expected


@dataclass
class Broker:
    """A queue with its consumers. It counts as late as RabbitMQ: held events every 2 s, and all others every 5 s."""

    n_ready: int = 0
    n_taken: int = 0
    n_delayed: int = 0
    n_arrived: int = 0
    n_gone: int = 0
    n_dead: int = 0
    n_consumers: int = 2
    reported: QueueReport = field(default_factory=QueueReport)
    #: The counts since its last restart; None: no event yet. The true counts at that restart.
    counted: Counters | None = None
    uncounted: Counters = field(default_factory=Counters)
    life: BrokerLife = field(default_factory=lambda: BrokerLife("1", 0.0))
    #: MQS has no connection to the broker while that restarts.
    epoch: int = 0

    def restart(self, chance: random.Random) -> None:
        """Give all events back that consumers hold, and begin to count from zero."""
        self.n_ready, self.n_taken = self.n_ready + self.n_taken, 0
        self.n_consumers = chance.choice([0, 2])
        self.reported, self.counted = QueueReport(), None
        self.uncounted = Counters(self.n_arrived, self.n_gone)
        self.epoch += 1
        self.life = BrokerLife(str(self.epoch + 1), 0.0)

    def act(self, chance: random.Random, at_s: int) -> None:
        for _ in range(chance.randrange(12)):
            match chance.choice(["publish", "take", "take", "done", "done", "put off", "again", "give up"]):
                case "publish" if at_s < 40:
                    self.n_ready, self.n_arrived = self.n_ready + 1, self.n_arrived + 1
                case "take" if self.n_ready and self.n_consumers:
                    self.n_ready, self.n_taken = self.n_ready - 1, self.n_taken + 1
                case "done" if self.n_taken:
                    self.n_taken, self.n_gone = self.n_taken - 1, self.n_gone + 1
                case "put off" if self.n_taken:
                    self.n_taken, self.n_delayed = self.n_taken - 1, self.n_delayed + 1
                case "again" if self.n_delayed:
                    self.n_delayed, self.n_ready = self.n_delayed - 1, self.n_ready + 1
                case "give up" if self.n_taken:
                    self.n_taken, self.n_gone, self.n_dead = self.n_taken - 1, self.n_gone + 1, self.n_dead + 1
        if at_s % 4 == 0:
            self.reported = QueueReport(self.n_ready, self.n_taken, self.n_delayed)
        if at_s % 10 == 0:
            n_published = self.n_arrived - self.uncounted.n_published
            self.counted = Counters(n_published, self.n_gone - self.uncounted.n_acknowledged)


@dataclass
class Mqs:
    """What MQS knows about the queue. `kept` is in its database."""

    kept: QueueTraffic = field(default_factory=QueueTraffic)
    certain: list[CertainCount] = field(default_factory=list)
    n_succeeded: int = 0

    def look(self, broker: Broker, at_s: int) -> tuple[QueuePicture, QueuePicture]:
        """Return the picture of the queue before and after failed events have gone from it, and keep the numbers."""
        seen = add_count(self.kept, broker.counted, broker.life)
        if seen.life != self.kept.life or at_s % 7 == 0:
            self.kept = seen
        past = choose_past(self.certain, at_s=float(at_s), epoch=broker.epoch, settle_s=4.0)
        n_arrived = max(
            self.kept.n_arrived,
            count_arrived(seen, broker.n_ready),
            count_arrived_by_report(broker.reported, past),
        )
        picture = take_picture(
            seen,
            broker.reported,
            past,
            n_arrived=n_arrived,
            n_ready=broker.n_ready,
            n_consumers=broker.n_consumers,
            n_gone_before=self.kept.n_gone,
        )
        self.kept = replace(self.kept, n_arrived=n_arrived, n_gone=picture.n_gone)
        self.certain.append(CertainCount(float(at_s), n_arrived, seen.n_left, broker.epoch))
        self.n_succeeded = max(self.n_succeeded, count_succeeded({QUEUE: picture}, {}, broker.n_dead))
        settled = settle_failed({QUEUE: picture}, {}, n_failed=broker.n_dead, n_succeeded=self.n_succeeded)[QUEUE]
        return picture, settled

    def restart(self) -> None:
        self.certain.clear()


@given(st.integers(0, 10**6), st.sampled_from([0, 0.1]))
def test_whatever_happens_the_numbers_add_up_and_claim_too_little_rather_than_too_much(
    seed: int, restarts: float
) -> None:
    chance, broker, mqs = random.Random(seed), Broker(), Mqs()
    n_gone_before = n_arrived_before = n_succeeded_before = 0
    # A tick is half a second.
    for at_s in range(60):
        if chance.random() < restarts:
            broker.restart(chance)
        if chance.random() < restarts:
            mqs.restart()
        broker.act(chance, at_s)
        picture, settled = mqs.look(broker, at_s)
        for one in (picture, settled):
            assert min(astuple(one)) >= 0
            assert one.n_ready + one.n_unacknowledged + one.n_delayed + one.n_gone == one.n_arrived
            assert n_gone_before <= one.n_gone <= broker.n_gone
            assert n_arrived_before <= one.n_arrived <= broker.n_arrived
            assert one.n_unacknowledged == 0 or broker.n_consumers or broker.reported.n_unacknowledged
        assert n_succeeded_before <= mqs.n_succeeded <= broker.n_gone - broker.n_dead
        n_gone_before, n_arrived_before, n_succeeded_before = picture.n_gone, picture.n_arrived, mqs.n_succeeded
        if at_s > 3:
            assert picture.n_arrived >= broker.reported.n_held
    assert picture.n_arrived == broker.n_arrived or restarts
