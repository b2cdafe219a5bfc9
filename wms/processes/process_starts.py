"""Start processes: check the right, ask a step worker about the user code, then launch the run.

    right ─► definition ─► authorization, run predicate, form (a step worker) ─► launch

Nothing is stored before the worker has accepted everything. So a refused input changes nothing.
"""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from runtime.kernel.decision import Decision
from runtime.kernel.store import Transaction
from runtime.once import Once
from schemas.errors import Rejected
from schemas.ids import OrganizationId, RunUuid
from schemas.questions.step_code import EvaluateStart
from wms.audit.audit_log import AuditLog
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish, make_first_state
from wms.engine.life.run_acts import describe_run
from wms.engine.life.variables import merge_deeply
from wms.engine.new_runs import find_definition
from wms.engine.run_records import note_launch
from wms.engine.worker_questions import WorkerQuestions
from wms.processes.acting_user import Pages, make_acting_user
from wms.processes.engine_switch import EngineSwitch
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, check_right, choose_organization, find_organizations

_STARTS = uuid5(NAMESPACE_URL, "ewms:processes:starts")


class ProcessStarts:
    """Starts processes, and tries forms, for principals."""

    def __init__(
        self, engine: Engine, questions: WorkerQuestions, switch: EngineSwitch, organizations: Organizations
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._audit = AuditLog(engine.store)
        self._questions = questions
        self._switch = switch
        self._organizations = organizations

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
        await self._switch.check_unlocked()
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
        also = note_launch(self._audit, principal.subject, lambda run: describe_run(run, "create"))
        await self._engine.launch_run(workflow, wish, run_uuid=uuid, found=found, once=once, also=also)
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


def _check_may_start(principal: Principal, organization: str = "") -> None:
    """Check that the principal may start processes in `organization`. If it is empty, one organization is enough.

    Raises:
        NotFound: the organization does not exist for the principal.
        Forbidden: the principal may not start processes there, or anywhere.
    """
    if organization or find_organizations(principal, Action.START_PROCESS) == frozenset():
        choose_organization(principal, Action.START_PROCESS, organization)
