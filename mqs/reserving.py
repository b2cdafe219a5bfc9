"""Queues that another WMS wants over REST: named first, created when it asks. Nothing here performs I/O.

Our own WMS names its queues itself and asks for both at once (`mqs.lifecycle`). What another reserves belongs to
nobody here: only that WMS knows its users.
"""

from collections.abc import Sequence
from datetime import datetime

from mqs.admission import Admitted, Verdict
from mqs.lifecycle import UNCHANGED, Outcome
from mqs.steps import Rules
from schemas.documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, Mqid, WorkflowId

#: What an activation without criteria has.
DEFAULT_PRIORITY = 50


def reserved(
    group: MQGroupDocument | None,
    workflow_id: WorkflowId,
    queues: Sequence[tuple[Mqid, Alias]],
    public: Sequence[Alias],
    *,
    now: datetime,
) -> Outcome:
    """Return the group that names `queues`; a repetition leaves the one that there is."""
    if group is not None:
        return UNCHANGED
    made = MQGroupDocument(
        workflow_id=workflow_id, timestamp=now.timestamp(), n_queues=len(queues) + 1, unasked=True, priority=0
    )
    return Outcome(
        made,
        tuple(
            MQProfileDocument(
                mqid=mqid,
                workflow_id=workflow_id,
                timestamp=made.timestamp,
                alias=alias,
                is_public=alias in public,
                is_activated=False,
                position=position,
                # Which way its events will go is not said.
                is_input=True,
                is_output=True,
            )
            for position, (mqid, alias) in enumerate(queues)
        ),
    )


def asked(group: MQGroupDocument, priority: int | None, verdict: Verdict, *, now: datetime, rules: Rules) -> Outcome:
    """Return the group once its queues are asked for. One that waits already takes the new verdict."""
    if group.state is not GroupState.RESERVED or group.admitted_at is not None:
        return UNCHANGED
    admitted = isinstance(verdict, Admitted)
    return Outcome(
        group.model_copy(
            update={
                "unasked": False,
                "priority": DEFAULT_PRIORITY if priority is None else priority,
                "admitted_at": now if admitted else None,
                "deferred": "" if isinstance(verdict, Admitted) else verdict.reason,
                "wake_at": now + (rules.retry if admitted else rules.defer),
            }
        )
    )
