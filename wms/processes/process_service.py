"""Resume, annotate and abort processes: check the right, ask a step worker about the user code, then tell the engine.

    resume   right ─► status ─► authorization, form of the step (a step worker) ─► the engine

Nothing is stored before the worker has accepted everything. So a refused input changes nothing.
"""

from collections.abc import Mapping
from typing import Any

from runtime.telemetry import log
from schemas.engine.processes import RESUMABLE, ProcessStatus
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import NodeState, WantKind
from schemas.errors import Conflict, NotFound, Rejected, Unavailable
from schemas.ids import RunId
from schemas.questions.step_code import EvaluateResume
from wms.engine.engine import Engine
from wms.engine.life.form_verdicts import FormNotCompleteError
from wms.engine.life.stimuli import Resume, Wish, WriteNote
from wms.engine.worker_questions import WorkerQuestions
from wms.processes.acting_user import Pages, make_acting_user
from wms.processes.engine_switch import EngineSwitch
from wms.processes.process_filters import join_queries, make_task_query
from wms.processes.process_status import find_process_status, make_status_query
from wms.processes.resumed_nodes import find_input_node, find_resumed_node
from wms.tenancy.rights import Action, Principal, check_right, may_everywhere

#: The statuses of tasks that "resume all" brings on.
_RESUMED_TOGETHER = (
    ProcessStatus.FAILED,
    ProcessStatus.WAITING,
    ProcessStatus.API_UNAVAILABLE,
    ProcessStatus.INCONSISTENT_DATA,
)


class ProcessService:
    """Resumes, ends and annotates processes for principals."""

    def __init__(self, engine: Engine, questions: WorkerQuestions, switch: EngineSwitch) -> None:
        self._engine = engine
        self._store = engine.store
        self._questions = questions
        self._switch = switch
        self._is_resuming_all = False

    async def resume_process(self, run: RunDocument, pages: Pages, principal: Principal) -> None:
        """Continue a process: with the pages of the form that it waits for, or by a retry of the step that failed.

        Raises:
            Unavailable: the engine is locked, or no step worker answers.
            Conflict: the status of the process does not allow this.
            Rejected: the form or a callback refuses; the process has not changed.
        """
        check_right(principal, Action.RESUME_PROCESS, run.organization)
        await self._switch.check_unlocked()
        status = find_process_status(run.status, run.nodes)
        if status not in RESUMABLE:
            raise Conflict(f"the process is {status}, so it cannot be resumed")
        waiting = find_input_node(run)
        node = waiting or find_resumed_node(run)
        if node is None:
            # Somebody has stopped it between two steps, so no step is asked.
            await self._engine.apply_stimulus(run.id, Resume(who=principal.subject))
            return
        values = await self._evaluate_resume(run, node, pages, principal, has_form=waiting is not None)
        given = None if waiting is None else values
        await self._engine.apply_stimulus(run.id, Resume(who=principal.subject, given=given, node=node.key))

    async def describe_form(self, run: RunDocument) -> Mapping[str, Any] | None:
        """Return the JSON schema of the form that a process waits for. Return None if there is none, or no worker
        answers.
        """
        node = find_input_node(run)
        if node is None:
            return None
        try:
            await self._evaluate_resume(run, node, (), Principal(run.owner), has_form=True, checks_user=False)
        except FormNotCompleteError as error:
            form: Mapping[str, Any] = error.members["form"]
            return form
        except (Rejected, Unavailable) as error:
            log.info("the form of a process is not shown", run=run.id, reason=error.reason)
        return None

    async def _evaluate_resume(
        self,
        run: RunDocument,
        node: NodeState,
        pages: Pages,
        principal: Principal,
        *,
        has_form: bool,
        checks_user: bool = True,
    ) -> Mapping[str, Any]:
        """Ask a step worker about a resume. Return the values of the form, as they may be stored."""
        keys = self._engine.effects.keys
        question = EvaluateResume(
            definition=run.definition,
            definition_hash=run.definition_hash,
            run_uuid=run.uuid,
            node=node.key,
            state=keys.unseal_values(run.state, run.masked),
            pages=tuple(dict(page) for page in pages),
            user=make_acting_user(principal),
            has_form=has_form,
            checks_user=checks_user,
        )
        return keys.seal_values(await self._questions.evaluate_form(question, run.pool), run.masked)

    async def abort_process(self, run: RunDocument, principal: Principal, *, why: str = "") -> None:
        """Request the end of a process for good, and return. It ends after its running step has ended.

        Raises:
            Forbidden: the principal may not abort the process.
            Conflict: the process is over, or being aborted already.
        """
        check_right(principal, Action.ABORT_PROCESS, run.organization)
        await self._engine.apply_stimulus(run.id, Wish(WantKind.CANCEL, principal.subject, why))

    async def write_note(self, run: RunDocument, note: str, principal: Principal) -> None:
        """Replace the note about a process. The process may be over. The log keeps each note with its author.

        Raises:
            NotFound: the organization of the process does not exist for the principal.
            Forbidden: the principal may not resume the process.
        """
        check_right(principal, Action.RESUME_PROCESS, run.organization)
        await self._engine.apply_stimulus(run.id, WriteNote(note, principal.subject))

    async def resume_all(self, principal: Principal) -> int:
        """Resume all tasks that failed or wait, and return their number.

        Raises:
            Forbidden: the principal may not do this in every organization.
            Unavailable: the engine is locked.
            Conflict: another call is doing this already.
        """
        if not may_everywhere(principal, Action.RESUME_ALL):
            check_right(principal, Action.RESUME_ALL, "")
        await self._switch.check_unlocked()
        if self._is_resuming_all:
            raise Conflict("all tasks are being resumed already")
        self._is_resuming_all = True
        try:
            statuses = [make_status_query(status) for status in _RESUMED_TOGETHER]
            query = join_queries(make_task_query(), {"$or": statuses})
            found = await self._store.find(RUNS, query, sort=[("_id", 1)], projection={"_id": 1})
            return sum([await self._resume_one(RunId(one["_id"]), principal) for one in found])
        finally:
            self._is_resuming_all = False

    async def _resume_one(self, run_id: RunId, principal: Principal) -> bool:
        try:
            await self._engine.apply_stimulus(run_id, Resume(who=principal.subject))
        except (Conflict, NotFound):
            return False  # it has moved on meanwhile
        return True
