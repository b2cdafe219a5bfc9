"""Start, resume and abort processes: check the rights, ask a step worker about the user code, then tell the engine.

    start    right ─► definition ─► authorization, run predicate, form (a step worker) ─► launch
    resume   right ─► status ─► authorization, form of the step (a step worker) ─► the engine

Nothing is stored before the worker has accepted everything. So a refused input changes nothing.
"""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from runtime.kernel.decision import Decision
from runtime.kernel.store import Transaction
from runtime.once import Once
from runtime.telemetry import log
from schemas.errors import Conflict, NotFound, Rejected, Unavailable
from schemas.ids import OrganizationId, RunId, RunUuid
from schemas.processes import RESUMABLE, ProcessStatus
from schemas.run_documents import RUNS, RunDocument
from schemas.runs import NodeState, WantKind
from schemas.step_questions import ActingUser, EvaluateResume, EvaluateStart
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.engine_lock import LockKeeper
from wms.engine.life.form_verdicts import FormNotCompleteError
from wms.engine.life.launching import LaunchWish, make_first_state
from wms.engine.life.stimuli import Resume, Wish, WriteNote
from wms.engine.life.variables import merge_deeply
from wms.engine.new_runs import find_definition
from wms.engine.worker_questions import WorkerQuestions
from wms.processes.callback_answers import CallbackAnswers
from wms.processes.process_control import EngineLock, Pages
from wms.processes.process_filters import join_queries, make_task_query
from wms.processes.process_status import find_process_status, make_status_query
from wms.processes.resumed_nodes import find_input_node, find_resumed_node
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import (
    Action,
    Principal,
    check_right,
    choose_organization,
    find_organizations,
    may_everywhere,
)

_STARTS = uuid5(NAMESPACE_URL, "ewms:processes:starts")

#: The statuses of tasks that "resume all" brings on.
_RESUMED_TOGETHER = (
    ProcessStatus.FAILED,
    ProcessStatus.WAITING,
    ProcessStatus.API_UNAVAILABLE,
    ProcessStatus.INCONSISTENT_DATA,
)


class ProcessService:
    """Starts, resumes and ends processes for principals."""

    def __init__(
        self, engine: Engine, questions: WorkerQuestions, lock: LockKeeper, organizations: Organizations
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._questions = questions
        self._lock = lock
        self._organizations = organizations
        self._callbacks = CallbackAnswers(engine)
        self._is_resuming_all = False

    async def start_process(
        self, workflow: str, pages: Pages, principal: Principal, *, organization: str = "", once: Once | None = None
    ) -> RunUuid:
        """Start a process, and return its id. A repeated request returns the id of the first process.

        The process belongs to the organization of its customer. A process without a customer belongs to `organization`,
        or to the only organization in which the principal may start processes.

        Raises:
            Unavailable: the engine is locked, or no step worker answers.
            NotFound: there is no such workflow.
            Rejected: the form, the predicate or a callback refuses (see `wms.engine.life.form_verdicts`), or the
                customer belongs to another organization.
            Conflict: `once` was used for another request.
        """
        await self._check_unlocked()
        uuid = RunUuid(str(uuid4() if once is None else uuid5(_STARTS, once.inbox_id)))
        if once is not None and await self._is_repeated(uuid, once):
            return uuid
        _check_may_start(principal, organization)
        found = await find_definition(self._store, workflow)
        digest, definition = found
        state = make_first_state(definition, uuid, principal.subject)
        question = EvaluateStart(
            definition=workflow,
            definition_hash=digest,
            run_uuid=uuid,
            state=state,
            pages=tuple(dict(page) for page in pages),
            user=make_acting_user(principal),
        )
        state = merge_deeply(state, await self._questions.evaluate_form(question, definition.pool))
        owner = await self._choose_owner(principal, str(state.get("customer_id") or ""), organization)
        wish = LaunchWish(who=principal.subject, state=state, organization=owner)
        await self._engine.launch_run(workflow, wish, run_uuid=uuid, found=found, once=once)
        return uuid

    async def _choose_owner(self, principal: Principal, customer_id: str, wanted: str) -> OrganizationId:
        if not customer_id:
            return choose_organization(principal, Action.START_PROCESS, wanted)
        owner = await self._organizations.find_customer_organization(customer_id)
        check_right(principal, Action.START_PROCESS, owner, absent=f"no customer found: {customer_id}")
        if wanted and wanted != owner:
            raise Rejected(
                f"customer {customer_id} belongs to organization {owner!r}, and the request names {wanted!r}",
                hint="leave out the organization: the customer decides",
            )
        return owner

    async def _is_repeated(self, uuid: RunUuid, once: Once) -> bool:
        """Return whether this request has started its process before. Then the form is not evaluated again."""
        if await repository.find_run_id(self._store, uuid) is None:
            return False

        async def change_nothing(_: Transaction) -> Decision:
            return Decision()

        # This compares the request with the first one under the same key.
        await self._store.transact(change_nothing, once=once)
        return True

    async def check_form(self, workflow: str, pages: Pages, principal: Principal) -> Mapping[str, Any]:
        """Let a step worker evaluate the form of `workflow` with `pages`, and return its values by field. This starts
        nothing.

        Raises:
            FormNotCompleteError: the form asks for another page.
            Rejected, NotFound, Unavailable: as `start_process`.
        """
        _check_may_start(principal)
        digest, definition = await find_definition(self._store, workflow)
        uuid = RunUuid(str(uuid4()))
        question = EvaluateStart(
            definition=workflow,
            definition_hash=digest,
            run_uuid=uuid,
            state=make_first_state(definition, uuid, principal.subject),
            pages=tuple(dict(page) for page in pages),
            user=make_acting_user(principal),
            checks_user=False,
            checks_predicate=False,
        )
        return await self._questions.evaluate_form(question, definition.pool)

    async def resume_process(self, run: RunDocument, pages: Pages, principal: Principal) -> None:
        """Continue a process: with the pages of the form that it waits for, or by a retry of the step that failed.

        Raises:
            Unavailable: the engine is locked, or no step worker answers.
            Conflict: the status of the process does not allow this.
            Rejected: the form or a callback refuses; the process has not changed.
        """
        check_right(principal, Action.RESUME_PROCESS, run.organization)
        await self._check_unlocked()
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
        await self._check_unlocked()
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

    async def answer_callback(self, process_id: RunUuid, token: str, body: Any) -> None:
        """Answer the callback that a process waits for; see `CallbackAnswers`."""
        await self._callbacks.answer_callback(process_id, token, body)

    async def note_progress(self, process_id: RunUuid, token: str, progress: Any) -> None:
        """Store the progress that another system reports; see `CallbackAnswers`."""
        await self._callbacks.note_progress(process_id, token, progress)

    async def find_lock(self) -> EngineLock:
        """Return whether an operator has locked the engine, and how many steps run."""
        return EngineLock(await self._lock.read_lock(), await self._lock.count_running())

    async def set_lock(self, principal: Principal, *, is_locked: bool) -> EngineLock:
        """Lock the engine, so that no new step begins, or unlock it. Return the lock, and how many steps still run.

        Raises:
            NotFound, Forbidden: the principal may not change the settings of the whole server.
        """
        if not may_everywhere(principal, Action.CHANGE_SETTINGS):
            check_right(principal, Action.CHANGE_SETTINGS, "")
        await self._lock.set_locked(is_locked=is_locked, who=principal.subject)
        return EngineLock(is_locked, await self._lock.count_running())

    async def _check_unlocked(self) -> None:
        if await self._lock.read_lock():
            raise Unavailable("engine locked", hint="an administrator has paused all processes; try again later")


def _check_may_start(principal: Principal, organization: str = "") -> None:
    """Check that the principal may start processes in `organization`. If it is empty, one organization is enough.

    Raises:
        NotFound: the organization does not exist for the principal.
        Forbidden: the principal may not start processes there, or anywhere.
    """
    if organization or find_organizations(principal, Action.START_PROCESS) == frozenset():
        choose_organization(principal, Action.START_PROCESS, organization)


def make_acting_user(principal: Principal) -> ActingUser:
    """Return `principal` in the form that user code gets."""
    return ActingUser(name=principal.subject, roles=tuple(sorted(principal.every_role)))
