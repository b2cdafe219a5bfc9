"""Describe what people do to processes and flows, for the audit log. (core)

Trees and jobs describe theirs themselves (`wms.trees.jobs`, `wms.jobs`): their rows have other readers.
"""

from collections.abc import Mapping
from typing import Any

from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import WantKind
from schemas.ids import OrganizationId
from wms.audit.audit_facts import AuditFacts
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.stimuli import Begin, PutState, Resume, RunStimulus, Wish, WriteNote

#: The kind of a definition -> the kind of its runs in the audit log.
_KINDS: Mapping[DefinitionKind, str] = {DefinitionKind.STEPS: "process", DefinitionKind.FLOW: "flow"}
_WISHES: Mapping[WantKind, str] = {WantKind.CANCEL: "abort", WantKind.STOP: "stop"}


def describe_decision(run: OpenRun, stimulus: RunStimulus, _: RunDecision) -> tuple[str, AuditFacts] | None:
    """Return the person behind `stimulus`, and the row about what that person did to a process or a flow. None: it
    makes no row.
    """
    told = _find_act(stimulus)
    if told is None or run.facts.kind not in _KINDS:
        return None
    who, changes = told
    return who, describe_run(run.facts, "update", **changes)


def _find_act(stimulus: RunStimulus) -> tuple[str, dict[str, Any]] | None:
    match stimulus:
        case Begin(who=who):
            return who, {"act": "start"}
        case PutState(who=who, values=values):
            # Values may be secret.
            return who, {"act": "set", "keys": ", ".join(sorted(values))}
        case Wish(kind=kind, who=who, why=why, is_from_above=False) if kind in _WISHES:
            return who, {"act": _WISHES[kind], **({"why": why} if why else {})}
        case Resume(who=who, given=given, node=node):
            step = {} if node is None else {"step": str(node)}
            return who, {"act": "resume" if given is None else "fill in a form", **step}
        case WriteNote(who=who):
            return who, {"act": "write a note"}
        case _:
            return None


def describe_run(run: RunDocument, operation: str, **changes: Any) -> AuditFacts:
    """Return a row about a process or a flow."""
    return AuditFacts(
        operation=operation,
        kind=_KINDS[run.kind],
        object_id=run.uuid,
        name=run.title or run.definition,
        organization=OrganizationId(run.organization) if run.organization else None,
        changes=changes,
    )
