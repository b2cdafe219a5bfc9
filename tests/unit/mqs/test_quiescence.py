"""The law: a workflow is never found drained while an event of it is unsettled, whatever happens in between."""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mqs.broker.picture import QueueCount, QueueReport
from mqs.quiescence import QuietWatch, add_look

SETTLE_S = 3.0
#: Queues report at least this often.
TICK_S = 2.0

#: Chains, a fork, a join: the queues of each level, and which queues the task at a queue publishes onto.
GRAPHS: tuple[tuple[list[list[int]], dict[int, tuple[int, ...]]], ...] = (
    ([[0]], {0: ()}),
    ([[0], [1]], {0: (1,), 1: ()}),
    ([[0], [1, 2], [3]], {0: (1, 2), 1: (3,), 2: (3,), 3: ()}),
    ([[0, 1], [2], [3]], {0: (2,), 1: (2, 3), 2: (3,), 3: ()}),
)


@dataclass
class ModelQueue:
    """A quorum queue, with what it has last reported."""

    ready: int = 0
    in_work: int = 0
    put_off: int = 0
    reported: QueueReport = field(default_factory=QueueReport)
    reported_at: float = 0.0

    @property
    def n_events(self) -> int:
        return self.ready + self.in_work + self.put_off

    def count(self) -> QueueCount:
        """Return what MQS sees: the ready events of this moment, and the last report."""
        report = self.reported
        return QueueCount(self.ready, report.n_unacknowledged, report.n_delayed, reported=report)


@dataclass
class ModelBroker:
    """Queues in levels, and the tasks that carry events from one to the next."""

    levels: list[list[int]]
    feeds: dict[int, tuple[int, ...]]
    queues: dict[int, ModelQueue] = field(default_factory=dict)
    now_s: float = 0.0
    epoch: int = 0

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        for queue in self.queues.values():
            if self.now_s - queue.reported_at >= TICK_S:
                self.report(queue)

    def report(self, queue: ModelQueue) -> None:
        queue.reported = QueueReport(queue.ready, queue.in_work, queue.put_off)
        queue.reported_at = self.now_s

    def is_empty(self, level: int) -> bool:
        return all(self.queues[q].count().is_empty for q in self.levels[level])


class Life(RuleBasedStateMachine):
    """One workflow on the model, with MQS looking at it."""

    @initialize(
        graph=st.sampled_from(GRAPHS), where=st.sampled_from(["ready", "in_work", "put_off"]), is_open=st.booleans()
    )
    def begin(self, graph: tuple[list[list[int]], dict[int, tuple[int, ...]]], where: str, is_open: bool) -> None:
        levels, feeds = graph
        self.broker = ModelBroker(levels, feeds, {q: ModelQueue() for level in levels for q in level})
        # It has just come there, so no report tells of it yet.
        setattr(self.broker.queues[0], where, 1)
        self.is_open = is_open
        self.rev = 0
        self.watch: QuietWatch | None = None
        self.n_dead = 0

    # ---- the outside, pilots, the broker

    @precondition(lambda self: self.is_open and self.n_unsettled < 2)
    @rule(pick=st.integers(0, 99))
    def publish(self, pick: int) -> None:
        level = self.broker.levels[0]
        self.broker.queues[level[pick % len(level)]].ready += 1

    @rule(pick=st.integers(0, 99))
    def deliver(self, pick: int) -> None:
        queue = self._any(pick, "ready")
        if queue is not None:
            queue.in_work += queue.ready
            queue.ready = 0

    @rule(pick=st.integers(0, 99), n_outputs=st.integers(0, 2), how=st.sampled_from(["ack", "crash", "dead", "fail"]))
    def settle(self, pick: int, n_outputs: int, how: str) -> None:
        found = [q for q, queue in self.broker.queues.items() if queue.in_work]
        if not found:
            return
        q = found[pick % len(found)]
        queue = self.broker.queues[q]
        if how == "dead":
            self.n_dead += 1
        elif how != "fail":
            # Outputs are confirmed before the input is let go; a crash between the two leaves both.
            for fed in self.broker.feeds[q]:
                self.broker.queues[fed].ready += n_outputs
        queue.in_work -= 1
        queue.ready += how == "crash"
        queue.put_off += how == "fail"

    @rule(pick=st.integers(0, 99))
    def come_back(self, pick: int) -> None:
        queue = self._any(pick, "put_off")
        if queue is not None:
            queue.put_off -= 1
            queue.ready += 1

    @rule()
    def restart_broker(self) -> None:
        self.broker.epoch += 1
        for queue in self.broker.queues.values():
            queue.ready, queue.in_work = queue.ready + queue.in_work, 0
            # It reports nothing until its first tick.
            queue.reported, queue.reported_at = QueueReport(), self.broker.now_s

    @rule()
    def tick(self) -> None:
        self.broker.wait(TICK_S)

    # ---- MQS

    @precondition(lambda self: self.is_open)
    @rule()
    def close(self) -> None:
        self.is_open = False
        self.rev += 1

    @precondition(lambda self: not self.is_open and not self.is_drained)
    @rule()
    def replay(self) -> None:
        if self.n_dead:
            self.n_dead -= 1
            self.rev += 1
            self.broker.queues[self.broker.levels[0][0]].ready += 1

    @rule()
    def restart_mqs(self) -> None:
        if not self.is_drained:
            self.watch = None

    @precondition(lambda self: not self.is_open and not self.is_drained)
    @rule(waits_s=st.sampled_from([0.0, 1.0, SETTLE_S]), takes_s=st.sampled_from([0.0, 0.2]))
    def look(self, waits_s: float, takes_s: float) -> None:
        self.broker.wait(waits_s)
        if self.watch is None or self.watch.rev != self.rev:
            self.watch = QuietWatch(self.rev)
        began_at_s = self.broker.now_s
        is_empty = self.broker.is_empty(self.watch.level)
        self.broker.wait(takes_s)
        self.watch = add_look(
            self.watch,
            is_empty=is_empty,
            epoch=self.broker.epoch,
            began_at_s=began_at_s,
            at_s=self.broker.now_s,
            settle_s=SETTLE_S,
        )

    @property
    def is_drained(self) -> bool:
        return self.watch is not None and self.watch.level == len(self.broker.levels)

    @invariant()
    def nothing_is_unsettled_once_it_is_drained(self) -> None:
        if hasattr(self, "broker") and self.is_drained:
            assert not self.n_unsettled

    @property
    def n_unsettled(self) -> int:
        return sum(queue.n_events for queue in self.broker.queues.values())

    def _any(self, pick: int, where: str) -> ModelQueue | None:
        found = [queue for queue in self.broker.queues.values() if getattr(queue, where)]
        return found[pick % len(found)] if found else None


TestLife = Life.TestCase


def test_an_event_that_was_ready_at_the_report_alone_is_not_overlooked() -> None:
    life = Life()
    life.begin(graph=GRAPHS[0], where="in_work", is_open=False)
    life.look(waits_s=0.0, takes_s=0.0)
    life.tick()
    life.settle(pick=0, n_outputs=0, how="crash")
    life.tick()
    life.deliver(pick=0)
    life.look(waits_s=0.0, takes_s=0.0)
    assert life.n_unsettled == 1
    assert not life.is_drained


def test_an_idle_workflow_is_drained_after_one_settling_time_a_level() -> None:
    watch, at_s = QuietWatch(rev=7), 100.0
    for level in range(3):
        watch = _look(watch, at_s)
        assert watch.level == level, "seen empty once, a level is not done"
        assert _look(watch, at_s + SETTLE_S - 0.1).level == level
        at_s += SETTLE_S
        watch = _look(watch, at_s)
        assert watch.level == level + 1


def test_what_another_life_of_the_broker_showed_does_not_count() -> None:
    seen = _look(QuietWatch(rev=7), 100.0)
    again = _look(seen, 110.0, epoch=1)
    assert again.level == 0
    assert _look(again, 110.0 + SETTLE_S, epoch=1).level == 1


def test_an_event_in_between_begins_the_level_anew() -> None:
    seen = _look(QuietWatch(rev=7), 100.0)
    busy = _look(seen, 101.0, is_empty=False)
    assert _look(busy, 100.0 + SETTLE_S).level == 0


def _look(watch: QuietWatch, at_s: float, *, is_empty: bool = True, epoch: int = 0) -> QuietWatch:
    return add_look(watch, is_empty=is_empty, epoch=epoch, began_at_s=at_s, at_s=at_s, settle_s=SETTLE_S)
