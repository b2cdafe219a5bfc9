"""Launch templates, cancel, repeat and delete their jobs, and decide approvals, for principals.

    launch ──► created ("pending") ──► its turn ──► running ──► over          one job of a tree is a run of its own
    relaunch   the whole tree as its template is now, or the failed nodes of the tree as it was

A job belongs to the organization of its template. Who may do what is in `wms.tenancy.rights`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.store import Store
from runtime.once import Once
from schemas.automation.trees import Prompt, TemplateDocument
from schemas.engine.graph import Definition, DefinitionKind
from schemas.engine.run_documents import RUN_LOG, RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, Occurrence, WaitAnswer, WantKind
from schemas.errors import Conflict, Forbidden, NotFound
from schemas.ids import RunId, TemplateId
from wms.audit.audit_log import AuditLog
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish
from wms.engine.life.stimuli import Wish
from wms.engine.life.waiting import AnswerVerdict
from wms.engine.new_runs import ChangesWithLaunch
from wms.engine.run_records import note_launch
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right, may_on_tree
from wms.trees.graphs.tree_definitions import WORK, find_template_id, name_definition
from wms.trees.inputs.launch_values import LaunchValues, merge_launch_values, spell_prompts
from wms.trees.jobs.job_acts import describe_act, list_job_templates
from wms.trees.jobs.request_ids import name_answer, name_launched_run, name_scheduled_run
from wms.trees.jobs.reuse import find_reused
from wms.trees.template_errors import DecidedAlready, JobIsActive, NotCancelable
from wms.trees.templates.label_service import LabelService
from wms.trees.templates.template_store import TemplateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLaunch:
    """What somebody gives to a launch."""

    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    #: The occurrence of a schedule that launches.
    occurrence: Occurrence | None = None


class TreeRuns:
    """The jobs of templates: trees, their jobs, and approvals."""

    def __init__(self, engine: Engine, store: Store, templates: TemplateStore, labels: LabelService) -> None:
        self._engine = engine
        self._store = store
        self._templates = templates
        self._labels = labels
        self._audit = AuditLog(store)

    async def find_job(self, principal: Principal, run_id: RunId, action: Action = Action.SEE_TREE) -> RunDocument:
        """Return a job.

        Raises:
            NotFound: there is none.
            Forbidden: the principal may not do `action` to it.
        """
        run = await self._load_job(run_id)
        check_tree_right(principal, action, run.organization, list_job_templates(run, action))
        return run

    async def _load_job(self, run_id: RunId) -> RunDocument:
        run = await repository.load_run(self._store, run_id)
        if run is None or run.kind is not DefinitionKind.TEMPLATE:
            raise NotFound("Not found.")
        return run

    async def launch(
        self,
        principal: Principal,
        template_id: TemplateId,
        launch: TreeLaunch,
        *,
        once: Once | None = None,
        also: ChangesWithLaunch | None = None,
    ) -> tuple[RunDocument, LaunchValues]:
        """Launch a template; return its run, and what of the launch counted. The answer never waits for a node.

        A launch for an occurrence that has its run already returns that run. `also` is for `Engine.launch_run`.

        Raises:
            LaunchRefused: answers of the survey are missing or wrong.
            Conflict: `once` was used for another request.
        """
        template = await self._templates.load_template(template_id)
        check_tree_right(principal, Action.LAUNCH_TREE, template.organization, [template.id])
        seal = self._engine.effects.keys.seal
        values = merge_launch_values(template, extra_vars=launch.extra_vars, prompts=launch.prompts, seal=seal)
        given = values.prompts.get(Prompt.LABELS)
        added = await self._labels.name_labels(template.organization, given) if given else []
        wish = LaunchWish(
            who=principal.subject,
            params=values.variables,
            prompts=spell_prompts(values.prompts),
            masked=values.masked,
            organization=template.organization or "",
            launch_type="manual" if launch.occurrence is None else "scheduled",
            labels=tuple(dict.fromkeys((*template.labels, *added))),
            occurrence=launch.occurrence,
        )
        run_uuid = name_launched_run(once) if launch.occurrence is None else name_scheduled_run(launch.occurrence)
        noted = self._note_launch(principal, also)
        run = await self._engine.launch_run(
            name_definition(template_id), wish, run_uuid=run_uuid, once=once, also=noted
        )
        return run, values

    async def relaunch(
        self, principal: Principal, run_id: RunId, *, from_failed: bool = False, once: Once | None = None
    ) -> RunDocument:
        """Launch a job again with the variables of its launch, and return the new job.

        The whole tree runs as its template is now. From the failed nodes, it runs as it was: the nodes that ended well
        keep their results.

        Raises:
            Conflict: it is not over, or nothing in it has failed, or `once` was used for another request.
            NotFound: the template is gone.
            Forbidden: the principal may not launch the template now, or the launch has secrets of somebody else.
        """
        run = await self.find_job(principal, run_id, Action.LAUNCH_TREE)
        template = await self._load_template_of(run)
        # It may have moved since.
        check_tree_right(principal, Action.LAUNCH_TREE, template.organization, [template.id])
        if run.masked and run.owner != principal.subject:
            raise Forbidden(
                "the job was launched with secrets of somebody else", hint="launch the template with your own answers"
            )
        if run.status not in RUN_OVER:
            raise Conflict(f"job {run.id} is {run.status}: it can be launched again when it is over")
        wish = LaunchWish(
            who=principal.subject,
            params=run.params,
            # Jobs from before there was `prompts` have them in their state.
            prompts=run.prompts or (run.state.get("prompts", {}) if run.parent is None else {}),
            masked=run.masked,
            organization=run.organization if from_failed else template.organization or "",
            launch_type="relaunch",
            labels=run.labels,
            relaunch_of=run.id,
            reused=find_reused(run) if from_failed else {},
        )
        if not from_failed:
            return await self._engine.launch_run(
                run.definition, wish, run_uuid=name_launched_run(once), once=once, also=self._note_launch(principal)
            )
        current = await self._engine.find_definition(run.definition)
        as_it_was = Definition(
            name=run.definition,
            kind=run.kind,
            graph=run.graph,
            pool=run.pool,
            title=run.title,
            runs_alone=current[1].runs_alone,
        )
        found = (run.definition_hash, as_it_was)
        return await self._engine.launch_run(
            run.definition,
            wish,
            found=found,
            run_uuid=name_launched_run(once),
            once=once,
            also=self._note_launch(principal),
        )

    def _note_launch(self, principal: Principal, also: ChangesWithLaunch | None = None) -> ChangesWithLaunch:
        """Return what stores the row of a launch in the audit log with the run, and what `also` returns."""
        return note_launch(self._audit, principal.subject, lambda run: describe_act(run, "create"), also)

    async def _load_template_of(self, run: RunDocument) -> TemplateDocument:
        template_id = find_template_id(run.definition)
        if template_id is None:
            raise NotFound("Not found.")
        return await self._templates.load_template(template_id)

    def may_cancel(self, principal: Principal, run: RunDocument) -> bool:
        """Return whether the principal may cancel a job: its starter may, too."""
        templates = list_job_templates(run, Action.CANCEL_TREE)
        return run.owner == principal.subject or may_on_tree(principal, Action.CANCEL_TREE, run.organization, templates)

    def can_cancel(self, principal: Principal, run: RunDocument) -> bool:
        """Return whether the principal can cancel a job now."""
        return run.status not in RUN_OVER and self.may_cancel(principal, run)

    async def find_cancelable(self, principal: Principal, run_id: RunId) -> RunDocument:
        """Return a job that the principal may cancel, over or not. Its starter may, too.

        Raises:
            NotFound: there is none.
            Forbidden: the principal may not cancel it.
        """
        run = await self._load_job(run_id)
        if not self.may_cancel(principal, run):
            check_tree_right(
                principal, Action.CANCEL_TREE, run.organization, list_job_templates(run, Action.CANCEL_TREE)
            )
        return run

    async def cancel(self, principal: Principal, run_id: RunId) -> None:
        """Request the end of a job and all jobs below it. It is canceled when nothing below it is active any more.

        Raises:
            NotCancelable: it is over.
        """
        run = await self.find_cancelable(principal, run_id)
        if run.status in RUN_OVER:
            raise NotCancelable(f"cancel is not allowed: the job is {run.status}")
        if run.want is not None and run.want.kind is WantKind.CANCEL:
            return
        try:
            await self._engine.apply_stimulus(run_id, Wish(WantKind.CANCEL, principal.subject))
        except Conflict as error:
            raise NotCancelable(f"cancel is not allowed: {error.reason}") from error

    async def delete_job(self, principal: Principal, run_id: RunId) -> None:
        """Delete a job that is over, and whose tree is over. The jobs that a tree has spawned stay.

        Raises:
            JobIsActive: the job, or a tree above it, is active.
        """
        run = await self.find_job(principal, run_id, Action.DELETE_TREE_JOB)
        if run.status not in RUN_OVER or await self._is_below_active(run):
            raise JobIsActive
        if not await self._store.delete_matching(RUNS, {"_id": run.id, "status": {"$in": list(RUN_OVER)}}):
            raise JobIsActive
        await self._store.delete_matching(RUN_LOG, {"run": run.id})
        await self._labels.release_labels(run.organization, run.labels)
        await self._audit.note_change(principal.subject, describe_act(run, "delete"))

    async def _is_below_active(self, run: RunDocument) -> bool:
        above = {
            each for each in (run.root, None if run.parent is None else run.parent.run) if each not in (None, run.id)
        }
        query = {"_id": {"$in": sorted(each for each in above if each)}, "status": {"$nin": list(RUN_OVER)}}
        return bool(above) and await self._store.find_one(RUNS, query, projection={"_id": 1}) is not None

    async def decide_approval(
        self,
        principal: Principal,
        run_id: RunId,
        *,
        is_approved: bool,
        comment: str = "",
        once: Once | None = None,
    ) -> None:
        """Approve or deny. A repeated request changes nothing.

        Raises:
            Forbidden: the principal has no right to, or has started the tree and is barred from approving it.
            DecidedAlready: somebody has decided before, or the time is over.
            NotFound: the job is no approval, or does not exist.
        """
        run = await self.find_job(principal, run_id, Action.APPROVE_TREE)
        node = run.graph.nodes[0] if run.graph.is_leaf else None
        if node is None or node.wait is None:
            raise NotFound("Not found.")
        if node.params.get("bars_starter") and principal.subject == await self._find_starter(run):
            raise Forbidden("who has started the tree may not decide this approval", hint="ask another person")
        answer = WaitAnswer(
            id=name_answer(once),
            body={"comment": comment} if comment else None,
            who=principal.subject,
            at=stored_now(),
            approved=is_approved,
        )
        verdict = await self._engine.answer_wait(run_id, WORK, answer)
        if verdict not in (AnswerVerdict.ENDS, AnswerVerdict.DUPLICATE):
            raise DecidedAlready(f"this approval is decided already: the job is {await self._find_status(run_id)}")

    async def _find_starter(self, run: RunDocument) -> str:
        root = None if run.root is None else await repository.load_run(self._store, run.root)
        return (root or run).owner

    async def _find_status(self, run_id: RunId) -> str:
        run = await repository.load_run(self._store, run_id)
        return "gone" if run is None else str(run.status)

    async def list_node_jobs(self, run: RunDocument) -> dict[int, RunDocument]:
        """Return the jobs that the nodes of `run` have spawned, by the nodes' places."""
        ids = {state.child_run: place for place, state in enumerate(run.nodes) if state.child_run is not None}
        found = await self._store.find(RUNS, {"_id": {"$in": sorted(ids)}})
        return {ids[each.id]: each for each in map(repository.parse_run, found)}
