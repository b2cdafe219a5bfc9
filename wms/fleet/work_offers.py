"""Offer work to a TMS that polls: the next taskforce to submit, and the next taskforce to remove.

A poll reserves nothing: WMS offers a taskforce again and again until the TMS confirms it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from runtime.bus.questions import Asks
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.errors import Broken, Conflict, Rejected, Unavailable
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES, TaskforceDocument
from schemas.fleet.objects import MQProfile
from schemas.questions.queues import ProfilesAnswer, TaskProfilesQuery
from wms.fleet import repository
from wms.fleet.choices.fleet_settings import FleetSettings, ReadSettings
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.life.conditions import filter_offered_starts, filter_offered_stops
from wms.fleet.life.tms_requests import POLLING_GETS_NO_SECRETS

#: How many taskforces to read at a time. If MQS refuses the queues of one, the next has its turn.
_AT_ONCE = 20
#: After this many unanswered requests, treat MQS as down. One alone may concern a single workflow.
_PATIENCE = 3


@dataclass(frozen=True, slots=True)
class StartOffer:
    """A taskforce to submit, in the form for a TMS, with its task and its queues."""

    taskforce: Document
    task: Document
    profiles: list[MQProfile]
    owner: str


class WorkOffers:
    """Finds the work for TMSs that poll. It offers nothing to a TMS that takes orders."""

    def __init__(
        self,
        store: Store,
        mqs: Asks,
        policy: FleetPolicy,
        read_settings: ReadSettings = FleetSettings,
    ) -> None:
        """`read_settings` says which schedds operators have drained: their TMSs get nothing to start."""
        self._store = store
        self._mqs = mqs
        self._policy = policy
        self._read_settings = read_settings

    async def find_start(self, schedd: str) -> StartOffer | None:
        """Return the next taskforce to submit at `schedd`. Return None if none waits, or if the schedd is drained.

        Raises:
            Unavailable: MQS does not answer about the queues of the waiting taskforces.
        """
        if self._policy.locations.find_port(schedd).takes_orders or self._read_settings().find_drain(schedd):
            return None
        n_open = 0
        async for taskforce in self._find_offered(schedd):
            task = await self._store.find_one(TASK_DIRECTIVES, {"_id": taskforce["task_id"]})
            if task is not None and task.get("sealed_texts"):
                # It became ready before WMS refused such tasks here, or before this TMS began to poll.
                log.warning("taskforce passed over", taskforce_uuid=taskforce["_id"], reason=POLLING_GETS_NO_SECRETS)
                continue
            try:
                profiles = await self._ask_profiles(taskforce, task) if task is not None else None
            except Unavailable:
                n_open += 1
                if n_open == _PATIENCE:
                    raise
                continue
            if task is None or profiles is None:
                continue
            shown = repository.select_public(TASKFORCES, taskforce)
            shown["n_workers"] = self._policy.count_workers(TaskforceDocument.model_validate(taskforce))
            return StartOffer(
                taskforce=shown,
                task=repository.select_public(TASK_DIRECTIVES, task),
                profiles=profiles,
                owner=taskforce.get("owner", ""),
            )
        if n_open:
            raise Unavailable("MQS does not answer about the queues of the waiting taskforces; ask again")
        return None

    async def _find_offered(self, schedd: str) -> AsyncIterator[Document]:
        """Yield the taskforces to submit at `schedd`, in the contract's order."""
        seen: list[str] = []
        while True:
            some = await self._store.find(
                TASKFORCES,
                {"schedd": schedd, **filter_offered_starts(self._policy.max_failures), "_id": {"$nin": seen}},
                sort=[("priority", -1), ("n_submit_failures", 1), ("timestamp", 1), ("cursor", 1)],
                limit=_AT_ONCE,
            )
            for taskforce in some:
                yield taskforce
            if len(some) < _AT_ONCE:
                return
            seen += [taskforce["_id"] for taskforce in some]

    async def _ask_profiles(self, taskforce: Document, task: Document) -> list[MQProfile] | None:
        """Ask MQS for the queues of a task, with its pilots' token, and return them. Return None if MQS refuses."""
        query = TaskProfilesQuery(
            workflow_id=taskforce["workflow_id"],
            taskforce_uuid=taskforce["taskforce_uuid"],
            inputs=task["input_queues"],
            outputs=task["output_queues"],
        )
        try:
            match await self._mqs.ask(query):
                case ProfilesAnswer(profiles=profiles):
                    return profiles
                case other:
                    raise Broken(f"MQS answered {other.kind} to {query.kind}")
        except (Rejected, Conflict) as error:
            log.warning("taskforce passed over", taskforce_uuid=taskforce["taskforce_uuid"], reason=error.reason)
            return None

    async def find_stop(self, schedd: str, now: datetime) -> Document | None:
        """Return the next taskforce to remove at `schedd`, in the form for a TMS. Return None if none waits."""
        if self._policy.locations.find_port(schedd).takes_orders:
            return None
        waiting = await self._store.find(
            TASKFORCES,
            {"schedd": schedd, **filter_offered_stops(now)},
            sort=[("timestamp", 1), ("cursor", 1)],
            limit=1,
        )
        return repository.select_public(TASKFORCES, waiting[0]) if waiting else None
