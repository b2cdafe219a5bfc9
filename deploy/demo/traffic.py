"""Submit a workflow, publish its events, watch it and collect the results. This uses only the client, as any user
can.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from deploy.demo.tracks import INPUT, OUTPUT
from ewms import AlreadyThere, AsyncClient, Workflow
from ewms.workflows.progress import Observation, Progress, compute_progress
from ewms.workflows.run import AsyncRun
from ewms.workflows.state import WorkflowState, post_to_submitted_s
from schemas.api.queues.profiles import QueueDepths

#: If no event comes back for this long, the demonstration has failed. It then reports what it has.
STANDSTILL_S = 60.0
_LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class DemoTraffic:
    """The events published and the results received so far."""

    n_events: int
    n_sent: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    n_dead: int = 0
    first_sent_s: float = 0.0
    first_back_s: float = 0.0
    last_back_s: float = 0.0
    #: The workflow's state at its end; None until then.
    final: WorkflowState | None = None
    post_to_submitted_s: float = 0.0
    history: deque[Observation] = field(default_factory=lambda: deque(maxlen=600))

    @property
    def is_complete(self) -> bool:
        """Return whether every event has come back."""
        return self.n_sent == len(self.results) == self.n_events and not self.n_dead

    @property
    def is_settled(self) -> bool:
        """Return whether every event has come back or has become a dead letter."""
        return len(self.results) + self.n_dead >= self.n_events


async def run_workflow(
    ews: AsyncClient, workflow: Workflow, events: Sequence[dict[str, Any]], show: Callable[[Progress], None]
) -> DemoTraffic:
    """Run `events` through `workflow`, and return the traffic when the workflow is over. Call `show` every second.

    The workflow ends by itself. If its events stop coming back, finish it. After an exception, abort it.
    """
    run = await ews.submit(workflow)
    traffic = DemoTraffic(len(events))
    try:
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch_queues(run, traffic, show, done))
            group.create_task(_publish_events(run, traffic, events))
            collecting = group.create_task(_collect_results(run, traffic, done))
            await done.wait()
            collecting.cancel()
            watching.cancel()
        traffic.n_dead = (await run.depths()).n_dead
        if not traffic.is_settled:
            # Otherwise the workflow ends by itself, because its inputs are closed.
            with suppress(AlreadyThere):
                await run.finish()
    except BaseException:
        # After any failure or a Ctrl-C, the workers must not go on without us.
        await asyncio.shield(_abort_run(run))
        raise
    outcome = await run.wait("over", timeout=60)
    traffic.final = outcome.state
    traffic.post_to_submitted_s = post_to_submitted_s(outcome.state) or 0.0
    await _read_depths(run, traffic, show)
    return traffic


async def _publish_events(run: AsyncRun, traffic: DemoTraffic, events: Sequence[dict[str, Any]]) -> None:
    async with run.queue(INPUT).publisher(close_inputs=True) as publisher:
        traffic.first_sent_s = time.monotonic()
        for event in events:
            await publisher.send(event, key=event["event"])
            traffic.n_sent += 1


async def _collect_results(run: AsyncRun, traffic: DemoTraffic, done: asyncio.Event) -> None:
    seen = set()
    async with run.queue(OUTPUT).results() as results:
        async for event in results:
            # The client has already dropped repeated ids. Count events here, because the demonstration promises events.
            if event.body["event"] in seen:
                continue
            seen.add(event.body["event"])
            traffic.last_back_s = time.monotonic()
            traffic.first_back_s = traffic.first_back_s or traffic.last_back_s
            traffic.results.append(event.body)
            if traffic.is_settled:
                done.set()


async def _watch_queues(
    run: AsyncRun, traffic: DemoTraffic, show: Callable[[Progress], None], done: asyncio.Event
) -> None:
    begin = time.monotonic()
    while True:
        traffic.n_dead = (await _read_depths(run, traffic, show)).n_dead
        if traffic.is_settled or time.monotonic() - max(begin, traffic.last_back_s) > STANDSTILL_S:
            done.set()
        await asyncio.sleep(_LOOK_EVERY_S)


async def _read_depths(run: AsyncRun, traffic: DemoTraffic, show: Callable[[Progress], None]) -> QueueDepths:
    facts = await run.look(n_sent=traffic.n_sent, n_received=len(traffic.results), n_expected=traffic.n_events)
    traffic.history.append(facts)
    show(compute_progress(tuple(traffic.history)))
    return facts.depths or QueueDepths(workflow_id=run.id, queues=[], n_dead=traffic.n_dead)


async def _abort_run(run: AsyncRun) -> None:
    await run.abort()
    await run.wait("over", timeout=20)
