"""Decide what a run has to tell, and by which lists. (core)

    moment     a tree or a job                           an approval
    started    started                                   approvals, "running": somebody must decide
    ended      success; error if it failed, ended in     approvals: "approved", "denied", "timed_out"
               an error, or was canceled

A run that ends before it begins has not started. An approval that is canceled tells nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.automation.notifications import NotificationList, name_organization, name_template
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, RunMoment, RunStatus
from schemas.ids import OrganizationId
from wms.trees.graphs.tree_definitions import find_template_id
from wms.trees.jobs.job_statuses import is_approval


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event in the life of a job of which the notification templates in a list must tell."""

    moment: RunMoment
    list: NotificationList
    #: The key of the words in a notification template.
    words: str


def find_occasions(run: RunDocument) -> tuple[tuple[Occasion, ...], tuple[RunMoment, ...]]:
    """Return the occasions on which to tell of `run` now, and the moments of `run` that this settles."""
    settled = [moment for moment in run.untold if _is_settled(run, moment)]
    found = (_find_occasion(run, moment) for moment in settled)
    return tuple(each for each in found if each is not None), tuple(settled)


def _is_settled(run: RunDocument, moment: RunMoment) -> bool:
    if run.status in RUN_OVER:
        return True
    return moment is RunMoment.STARTED and run.started_at is not None


def _find_occasion(run: RunDocument, moment: RunMoment) -> Occasion | None:
    if moment is RunMoment.STARTED:
        if run.started_at is None:
            return None
        if is_approval(run):
            return Occasion(moment, NotificationList.APPROVALS, "running")
        return Occasion(moment, NotificationList.STARTED, "started")
    if not moment.is_known:
        return None
    if is_approval(run):
        words = _find_decision(run)
        return Occasion(moment, NotificationList.APPROVALS, words) if words else None
    if run.status is RunStatus.SUCCESSFUL:
        return Occasion(moment, NotificationList.SUCCESS, "success")
    return Occasion(moment, NotificationList.ERROR, "error")


def _find_decision(run: RunDocument) -> str:
    if run.status is RunStatus.SUCCESSFUL:
        return "approved"
    if run.status is RunStatus.CANCELED:
        return ""
    error = run.nodes[0].error
    return "timed_out" if error is not None and error.error_class == "TimedOut" else "denied"


def may_tell(run: RunDocument, receiver: OrganizationId) -> bool:
    """Return whether a notification template of the organization `receiver` may tell of `run`.

    An old link may lead to another organization. A run without an organization tells those that its template names.
    """
    return run.organization in ("", receiver)


def list_targets(run: RunDocument, parent: RunDocument | None) -> tuple[str, ...]:
    """Return the targets whose lists count for `run`: its template and its organization.

    An approval has no lists of its own. Those of the tree that asks for it count: `parent`.
    """
    asked = parent if is_approval(run) else run
    template = None if asked is None else find_template_id(asked.definition)
    names: Iterable[str] = () if template is None else (name_template(template),)
    return (*names, name_organization(run.organization)) if run.organization else tuple(names)
