"""The demonstration itself, through the client and with nothing behind its back: submit, publish, watch, collect."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from deploy.demo.tracks import INPUT, OUTPUT
from ewms import AlreadyThere, AsyncClient, Workflow
from ewms.workflows.progress import Facts, Progress, progress
from ewms.workflows.run import AsyncRun
from ewms.workflows.state import State, post_to_submitted_s
from schemas.api import QueueDepths

#: Nothing has come back for so long: the demonstration has failed, and says with what it has.
STANDSTILL_S = 60.0
_LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class Traffic:
    """The events published and the results received so far."""

    n_events: int
    n_sent: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    n_dead: int = 0
    first_sent_s: float = 0.0
    first_back_s: float = 0.0
    last_back_s: float = 0.0
    #: The workflow at its end, and how it stood when the last event was back.
    final: State | None = None
    post_to_submitted_s: float = 0.0
    history: deque[Facts] = field(default_factory=lambda: deque(maxlen=600))

    @property
    def complete(self) -> bool:
        """Whether every event has come back."""
        return self.n_sent == len(self.results) == self.n_events and not self.n_dead

    @property
    def settled(self) -> bool:
        """Whether every event has come to an end, good or bad."""
        return len(self.results) + self.n_dead >= self.n_events


async def run_workflow(
    ews: AsyncClient, workflow: Workflow, events: Sequence[dict[str, Any]], show: Callable[[Progress], None]
) -> Traffic:
    """Run `events` through `workflow` and return the traffic. The workflow ends by itself; abort it on failure."""
    run = await ews.submit(workflow)
    traffic = Traffic(len(events))
    try:
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(run, traffic, show, done))
            group.create_task(_publish(run, traffic, events))
            collecting = group.create_task(_collect(run, traffic, done))
            await done.wait()
            collecting.cancel()
            watching.cancel()
        traffic.n_dead = (await run.depths()).n_dead
        if not traffic.settled:
            # Else it ends by itself, for its inputs are closed.
            with suppress(AlreadyThere):
                await run.finish()
    except BaseException:
        # Whatever went wrong here, or a Ctrl-C: the workers must not go on without us.
        await asyncio.shield(_abort(run))
        raise
    outcome = await run.wait("over", timeout=60)
    traffic.final = outcome.state
    traffic.post_to_submitted_s = post_to_submitted_s(outcome.state) or 0.0
    await _look(run, traffic, show)
    return traffic


async def _publish(run: AsyncRun, traffic: Traffic, events: Sequence[dict[str, Any]]) -> None:
    async with run.queue(INPUT).publisher(close_inputs=True) as publisher:
        traffic.first_sent_s = time.monotonic()
        for event in events:
            await publisher.send(event, key=event["event"])
            traffic.n_sent += 1


async def _collect(run: AsyncRun, traffic: Traffic, done: asyncio.Event) -> None:
    seen = set()
    async with run.queue(OUTPUT).results() as results:
        async for event in results:
            # The client has dropped repeats by id; this counts what the demonstration promises: events.
            if event.body["event"] in seen:
                continue
            seen.add(event.body["event"])
            traffic.last_back_s = time.monotonic()
            traffic.first_back_s = traffic.first_back_s or traffic.last_back_s
            traffic.results.append(event.body)
            if traffic.settled:
                done.set()


async def _watch(run: AsyncRun, traffic: Traffic, show: Callable[[Progress], None], done: asyncio.Event) -> None:
    begin = time.monotonic()
    while True:
        traffic.n_dead = (await _look(run, traffic, show)).n_dead
        if traffic.settled or time.monotonic() - max(begin, traffic.last_back_s) > STANDSTILL_S:
            done.set()
        await asyncio.sleep(_LOOK_EVERY_S)


async def _look(run: AsyncRun, traffic: Traffic, show: Callable[[Progress], None]) -> QueueDepths:
    facts = await run.look(n_sent=traffic.n_sent, n_received=len(traffic.results), n_expected=traffic.n_events)
    traffic.history.append(facts)
    show(progress(tuple(traffic.history)))
    return facts.depths or QueueDepths(workflow_id=run.id, queues=[], n_dead=traffic.n_dead)


async def _abort(run: AsyncRun) -> None:
    await run.abort()
    await run.wait("over", timeout=20)
