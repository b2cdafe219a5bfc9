"""Describe what happens to a job, for the audit log. (core)

a person cancels a job               cancel_flag
somebody decides an approval         status
the time of an approval is over      status, timed_out; the row names no actor
"""

from schemas.engine.graph import DefinitionKind
from schemas.engine.runs import NodeStatus, WantKind
from wms.audit.audit_facts import AuditFacts
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.stimuli import RunStimulus, WaitAnswered, Wish
from wms.trees.jobs.job_acts import describe_act
from wms.trees.jobs.job_statuses import is_approval

_DECIDED = (NodeStatus.SUCCESSFUL, NodeStatus.FAILED)


def describe_decision(run: OpenRun, stimulus: RunStimulus, decision: RunDecision) -> tuple[str, AuditFacts] | None:
    """Return the person behind `stimulus`, and the row about what that person did to a job. None: it makes no row."""
    facts = run.facts
    if facts.kind is not DefinitionKind.TEMPLATE:
        return None
    if isinstance(stimulus, Wish) and stimulus.kind is WantKind.CANCEL and not stimulus.is_from_above:
        return stimulus.who, describe_act(facts, "update", cancel_flag=[False, True])
    ended = decision.nodes.get(0)
    if not is_approval(facts) or ended is None or ended.status not in _DECIDED or run.nodes[0].status in _DECIDED:
        return None
    status = ["pending", ended.status.value]
    if ended.error is not None and ended.error.error_class == "TimedOut":
        return "", describe_act(facts, "update", status=status, timed_out=[False, True])
    who = stimulus.answer.who if isinstance(stimulus, WaitAnswered) else ""
    return who, describe_act(facts, "update", status=status)
