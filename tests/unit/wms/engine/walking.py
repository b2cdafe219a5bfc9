"""A run that a test walks: it plays people, step workers, children and the clock, and keeps what follows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.engine.graph import Definition, Graph, Node, make_chain
from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import NodeError, NodeState, Outcome, RunStatus, WaitAnswer, WantKind
from schemas.events import NodeEnded, NodeReturned, NodeTaken, ReturnReason
from schemas.ids import NodeKey, RunId, RunUuid
from wms.engine.life.advance import advance
from wms.engine.life.launching import LaunchWish, make_run
from wms.engine.life.open_run import OpenRun, RunDecision, apply_decision, open_run
from wms.engine.life.stimuli import Begin, ChildEnded, ChildStarted, Resume, RunStimulus, TimePassed, WaitAnswered, Wish

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
FAILURE = NodeError(error_class="ValueError", message="no")


class Walk:
    """One run. `sent`, `started` and `canceled` list what the engine would send, by key, in order."""

    def __init__(self, graph: Graph, **wish: Any) -> None:
        definition = Definition(name="walk", graph=graph)
        document = make_run(
            definition,
            LaunchWish(who="ada", **wish),
            definition_hash=definition.hash,
            run_id=RunId(1),
            uuid=RunUuid("u-1"),
            secret="s3cret",
            now=NOW,
        )
        self.now = NOW
        self.run: OpenRun = open_run(document)
        self.rows: list[LogRow] = list(document.log)
        self.sent: list[tuple[str, int]] = []
        self.started: list[str] = []
        self.canceled: list[str] = []
        self.decisions: list[RunDecision] = []

    def do(self, stimulus: RunStimulus) -> RunDecision:
        """Decide about `stimulus` and make it true."""
        decision = advance(self.run, stimulus, self.now)
        apply_decision(self.run, decision)
        self.rows += decision.rows
        self.sent += [(self.run.nodes[number].key, self.run.nodes[number].attempt) for number in decision.sends]
        self.started += [self.run.nodes[number].key for number in decision.starts]
        self.canceled += [self.run.nodes[number].key for number in decision.cancels]
        self.decisions.append(decision)
        return decision

    def begin(self) -> "Walk":
        """Begin the run."""
        self.do(Begin("ada"))
        return self

    def take(self, key: str, worker: str = "w1", attempt: int | None = None) -> RunDecision:
        """Let a step worker take a node."""
        number = self.node(key).attempt if attempt is None else attempt
        n_lost = self.node(key).n_lost
        taken = NodeTaken(
            run=RunId(1), node=NodeKey(key), attempt=number, worker=worker, n_lost=n_lost, taken_at=self.now
        )
        return self.do(taken)

    def lose(self, key: str, n_lost: int | None = None) -> RunDecision:
        """Let a step worker report that the one before it is lost with a node."""
        state = self.node(key)
        return self.do(
            NodeReturned(
                run=RunId(1),
                node=NodeKey(key),
                attempt=state.attempt,
                worker="w9",
                n_lost=state.n_lost if n_lost is None else n_lost,
                reason=ReturnReason.LOST,
            )
        )

    def end(
        self, key: str, outcome: Outcome = Outcome.SUCCESSFUL, attempt: int | None = None, **fields: Any
    ) -> RunDecision:
        """Let a step worker end a node."""
        if outcome is Outcome.FAILED:
            fields.setdefault("error", FAILURE)
        return self.do(
            NodeEnded(
                run=RunId(1),
                node=NodeKey(key),
                attempt=self.node(key).attempt if attempt is None else attempt,
                outcome=outcome,
                worker="w1",
                started_at=self.now,
                ended_at=self.now,
                **fields,
            )
        )

    def fail(self, key: str, **fields: Any) -> RunDecision:
        """Let a step fail."""
        return self.end(key, Outcome.FAILED, **fields)

    def stop(self) -> RunDecision:
        """Stop the run."""
        return self.do(Wish(WantKind.STOP, "bob", "lunch"))

    def cancel(self) -> RunDecision:
        """Cancel the run."""
        return self.do(Wish(WantKind.CANCEL, "bob", "wrong customer"))

    def resume(self, **fields: Any) -> RunDecision:
        """Resume the run."""
        return self.do(Resume("bob", **fields))

    def answer(self, key: str, answer_id: str = "a1", body: Any = None, token: str | None = None, **fields: Any) -> Any:
        """Answer a node's wait; return the verdict."""
        answer = WaitAnswer(id=answer_id, body=body, who="eve", at=self.now, **fields)
        return self.do(WaitAnswered(NodeKey(key), answer, token)).answer

    def start_child(self, key: str, run: int = 2) -> RunDecision:
        """Give the child of a node its id."""
        return self.do(ChildStarted(NodeKey(key), self.node(key).attempt, run=RunId(run)))

    def end_child(self, key: str, outcome: Outcome = Outcome.SUCCESSFUL, **fields: Any) -> RunDecision:
        """End the child of a node."""
        return self.do(ChildEnded(NodeKey(key), self.node(key).attempt, outcome, **fields))

    def pass_time(self, seconds: float) -> RunDecision:
        """Let time pass, and wake the run."""
        self.now += timedelta(seconds=seconds)
        return self.do(TimePassed())

    def node(self, key: str) -> NodeState:
        """Return where a node stands."""
        return self.run.nodes[self.run.numbers[NodeKey(key)]]

    @property
    def status(self) -> RunStatus:
        """Return where the run stands."""
        return self.run.facts.status

    @property
    def facts(self) -> RunDocument:
        """Return the run without its nodes."""
        return self.run.facts

    @property
    def statuses(self) -> str:
        """Return the first letters of the nodes' statuses: p u t w r h, and S K F E C - for those that are over."""
        letters = {"pending": "p", "due": "u", "taken": "t", "waiting": "w", "retrying": "r", "halted": "h"}
        letters |= {"successful": "S", "skipped": "K", "failed": "F", "error": "E", "canceled": "C", "passed": "-"}
        return "".join(letters[state.status] for state in self.run.nodes)


def step(key: str, **fields: Any) -> Node:
    """Return a step."""
    return Node.model_validate({"key": key, "name": key, "function": f"do_{key}", **fields})


def wait(key: str, kind: str, **fields: Any) -> Node:
    """Return a node that waits. What belongs to the wait comes with `wait_`."""
    spec = {name.removeprefix("wait_"): fields.pop(name) for name in list(fields) if name.startswith("wait_")}
    return Node.model_validate({"key": key, "name": key, "kind": "wait", "wait": {"kind": kind, **spec}, **fields})


def chain(*nodes: Node | str) -> Walk:
    """Return a walk along a chain; a bare key is a step."""
    return Walk(make_chain(tuple(step(node) if isinstance(node, str) else node for node in nodes)))
