"""Store what people do to runs in the audit log, in the same commit as the change itself.

Each kind of runs has a pure function that describes an act of a person.
"""

from collections.abc import Callable, Sequence

from runtime.kernel.decision import Change
from runtime.kernel.store import Transaction
from schemas.engine.run_documents import RunDocument
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.stimuli import RunStimulus
from wms.engine.new_runs import ChangesWithLaunch

#: Returns the person behind a stimulus, and the row of the audit log. None: it makes no row.
DescribesDecision = Callable[[OpenRun, RunStimulus, RunDecision], tuple[str, AuditFacts] | None]


class RunRecords:
    """Makes the rows of the audit log for the engine's commits."""

    def __init__(self, audit: AuditLog, describe: DescribesDecision) -> None:
        self._audit = audit
        self._describe = describe

    async def record_change(self, run: OpenRun, stimulus: RunStimulus, decision: RunDecision) -> Sequence[Change]:
        """Return what is stored together with the decision about `stimulus`."""
        told = self._describe(run, stimulus, decision)
        return () if told is None else await self._audit.make_inserts(told[0], [told[1]])


def note_launch(
    audit: AuditLog, who: str, describe: Callable[[RunDocument], AuditFacts], also: ChangesWithLaunch | None = None
) -> ChangesWithLaunch:
    """Return what stores the row of a launch with the run, and what `also` returns."""

    async def note(tx: Transaction, run: RunDocument) -> tuple[Change, ...]:
        rows = await audit.make_inserts(who, [describe(run)])
        return (*(() if also is None else await also(tx, run)), *rows)

    return note
