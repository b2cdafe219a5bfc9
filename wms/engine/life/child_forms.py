"""Begin or end a run whose form has still to be evaluated. (core)

A step that starts a process does not wait for the child's form. So the child is stored with its pages, and a step
worker evaluates the form later.
"""

from schemas.engine.runs import NodeStatus, RunStatus
from schemas.errors import Conflict
from wms.engine.life.open_run import RunDraft
from wms.engine.life.run_status import end_run
from wms.engine.life.stimuli import Begin, LaunchFormFilled, LaunchFormRefused
from wms.engine.life.variables import check_size, merge_deeply
from wms.engine.life.wishes import begin_run


def fill_form(draft: RunDraft, filled: LaunchFormFilled) -> None:
    """Begin the run with the values of its form.

    Raises:
        Conflict: the run has no form to evaluate, or has begun or ended meanwhile.
        TooLarge: the state would be too large.
    """
    _check_form_open(draft)
    state = merge_deeply(draft.facts.state, filled.values)
    check_size("state", state)
    draft.change_run(state=state, pages=None)
    begin_run(draft, Begin(filled.who))


def refuse_form(draft: RunDraft, refused: LaunchFormRefused) -> None:
    """End the run as an error. Its first nodes get the error of the form.

    Raises:
        Conflict: the run has no form to evaluate, or has begun or ended meanwhile.
    """
    _check_form_open(draft)
    draft.change_run(pages=None)
    for number in draft.run.layout.roots:
        draft.change_node(number, status=NodeStatus.ERROR, error=refused.error, ended_at=draft.now)
        draft.add_row("ended", NodeStatus.ERROR, number, error=refused.error)
    end_run(draft, RunStatus.ERROR, f"its form refuses what it was started with: {refused.error.message}")


def _check_form_open(draft: RunDraft) -> None:
    if draft.facts.pages is None or draft.facts.status is not RunStatus.CREATED:
        raise Conflict(f"the run is {draft.facts.status}, and waits for no form")
