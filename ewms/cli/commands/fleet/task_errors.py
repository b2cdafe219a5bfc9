"""`ewms task errors`: show what goes wrong in a workflow's tasks, and with which events, while workers still run."""

from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions

if TYPE_CHECKING:
    from ewms.workflows.dead_letters import FailureFilter

_N_ATTEMPTS = 50


def show_errors(
    context: typer.Context,
    workflow: Id,
    *,
    each: Annotated[
        bool, typer.Option("--each", help="One line for each failed attempt instead of each error.")
    ] = False,
    event: Annotated[str | None, typer.Option("--event", metavar="ID", help="Every attempt at this event.")] = None,
    signature: Annotated[
        str | None, typer.Option("--signature", metavar="ID", help="The attempts that failed with this error.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="At most this many attempts, the newest first.")] = _N_ATTEMPTS,
) -> None:
    """Show what goes wrong in tasks, as their workers report it: by error, or each failed attempt with its event.

    A worker that fails often does not report every attempt, so the counts mean "at least".
    """
    from ewms.cli.text.events.failure_tables import (
        attempt_lines,
        attempt_table,
        error_table,
        explain_uncounted,
        fold_attempts,
    )

    given: GlobalOptions = context.obj
    which: FailureFilter = {"event_id": event, "signature": signature}
    with given.make_client() as ews:
        failures = ews.run(workflow).failures
        if not (each or event or signature):
            groups = failures.errors()
            found = {"errors": [group.model_dump(mode="json") for group in groups]}
            if given.write_result(found, [group.signature for group in groups]):
                return
            if not groups:
                given.tell_user(f"no worker has reported a failed attempt of {workflow}")
                return
            given.make_console().print(error_table(groups, wide=given.is_wide))
            if uncounted := explain_uncounted(sum(group.n_uncounted for group in groups)):
                given.tell_user(f"besides: {uncounted}")
            given.tell_user(
                "a worker reports at most 20 failed attempts at once, then two a second, so there may be more; "
                f"`ewms dlq list {workflow}` counts all dead letters"
            )
            given.tell_user(
                f"see the events of an error: ewms task errors {workflow} --signature {groups[0].signature}"
            )
            return
        attempts = failures.attempts(n=n, **which)
        reported = {"attempts": [attempt.model_dump(mode="json") for attempt in attempts]}
        if given.write_result(reported, [attempt.event_id for attempt in attempts]):
            return
        if event is None or not attempts:
            given.print_list(
                attempt_table(attempts, wide=given.is_wide), f"no worker has reported such an attempt of {workflow}"
            )
            if uncounted := explain_uncounted(sum(not attempt.counts for attempt in attempts)):
                given.tell_user(f"*: {uncounted}")
            return
        for alike in fold_attempts(list(reversed(attempts))):
            for line in attempt_lines(*alike):
                given.make_console().print(line, soft_wrap=True)
