"""`ewms dlq`: list, show, replay, discard and export dead letters, the events that were given up."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions, can_ask

if TYPE_CHECKING:
    from ewms.client import Run
    from ewms.workflows.dead_letters import FailureFilter, Progress

app = typer.Typer()

Letter = Annotated[str, typer.Argument(metavar="LETTER", help="A dead letter, or the id of its event.")]
Letters = Annotated[
    list[str] | None, typer.Argument(metavar="[LETTER]...", help="Dead letters, or the ids of their events.")
]
OfTask = Annotated[str | None, typer.Option("--task", metavar="TK-...", help="Only dead letters of this task.")]
OfSignature = Annotated[
    str | None,
    typer.Option(
        "--signature", metavar="ID", help="Only dead letters with this error: the signature that `list` shows."
    ),
]
OfEvent = Annotated[str | None, typer.Option("--event", metavar="ID", help="Only dead letters of this event.")]
All = Annotated[bool, typer.Option("--all", help="All of the workflow's dead letters.")]


@app.command("list")
def list_letters(
    context: typer.Context,
    workflow: Id,
    *,
    each: Annotated[bool, typer.Option("--each", help="One line for each dead letter instead of each error.")] = False,
    task: OfTask = None,
    signature: OfSignature = None,
    event: OfEvent = None,
) -> None:
    """List dead letters: by task and error, or each."""
    from ewms.cli.text.events.failure_tables import group_table, letter_table

    given: GlobalOptions = context.obj
    which = _build_filter(task, signature, event)
    with given.make_client() as ews:
        failures = ews.run(workflow).failures
        if each or which:
            letters = list(failures.dead_letters(**which))
            found = {"dead_letters": [letter.model_dump(mode="json") for letter in letters]}
            if not given.write_result(found, [letter.letter for letter in letters]):
                given.print_list(letter_table(letters, wide=given.is_wide), f"{workflow} has no such dead letters")
            return
        groups = failures.groups()
        if given.write_result(groups.model_dump(mode="json"), [group.signature for group in groups.groups]):
            return
        if not groups.groups:
            given.tell_user(f"{workflow} has no dead letters")
            return
        given.make_console().print(group_table(groups, wide=given.is_wide))
        given.tell_user(f"show one with this error: ewms dlq show {workflow} --signature {groups.groups[0].signature}")


@app.command()
def show(
    context: typer.Context,
    workflow: Id,
    letter: Annotated[
        str | None, typer.Argument(metavar="[LETTER]", help="A dead letter, or the id of its event.")
    ] = None,
    *,
    signature: OfSignature = None,
    body: Annotated[bool, typer.Option("--body", help="Write the event's bytes, nothing else.")] = False,
) -> None:
    """Show one dead letter: its event, its headers, and every attempt at it with the task's last lines."""
    from ewms.cli.text.events.failure_tables import letter_lines, next_command

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        run = ews.run(workflow)
        name = _find_letter(run, letter, signature)
        if body:
            sys.stdout.buffer.write(run.failures.body(name))
            sys.stdout.flush()
            return
        found = run.failures.show(name)
        if given.write_result(found.model_dump(mode="json"), [found.dead_letter.letter]):
            return
        for line in letter_lines(found):
            given.make_console().print(line, soft_wrap=True)
        is_over = run.show().workflow.deactivated is not None
        alias = _find_alias(run, found.dead_letter.queue) if is_over else ""
        given.tell_user(next_command(workflow, found.dead_letter, is_over=is_over, alias=alias))


@app.command()
def replay(
    context: typer.Context,
    workflow: Id,
    letters: Letters = None,
    *,
    task: OfTask = None,
    signature: OfSignature = None,
    event: OfEvent = None,
    all_: All = False,
) -> None:
    """Send dead letters back to the queues that they came from: these, those with an error, or all."""
    given: GlobalOptions = context.obj
    which = _check_choice(letters, _build_filter(task, signature, event), all_=all_)
    with given.make_client() as ews:
        n = ews.run(workflow).failures.replay(*(letters or ()), progress=_make_reporter(given), **which)
    _check_handled(n, workflow, all_=all_)
    if not given.write_result({"replayed": n}):
        given.tell_user(f"{n} dead letter(s) replayed")


@app.command()
def discard(
    context: typer.Context,
    workflow: Id,
    letters: Letters = None,
    *,
    task: OfTask = None,
    signature: OfSignature = None,
    event: OfEvent = None,
    all_: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Throw dead letters away: these, those with an error, or all. Nothing brings them back."""
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    which = _check_choice(letters, _build_filter(task, signature, event), all_=all_)
    if not yes:
        if not can_ask():
            raise Rejected("nothing brings discarded events back", hint="add --yes; `ewms dlq export` saves a copy")
        typer.confirm("Throw these dead letters away?", abort=True, err=True)
    with given.make_client() as ews:
        n = ews.run(workflow).failures.discard(*(letters or ()), progress=_make_reporter(given), **which)
    _check_handled(n, workflow, all_=all_)
    if not given.write_result({"discarded": n}):
        given.tell_user(f"{n} dead letter(s) discarded")


@app.command()
def export(
    context: typer.Context,
    workflow: Id,
    *,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIRECTORY", help="One file for each letter, and an index.jsonl.")
    ] = None,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Only the JSON events, one a line, as `queue publish` reads them.")
    ] = False,
    task: OfTask = None,
    signature: OfSignature = None,
    event: OfEvent = None,
) -> None:
    """Write dead letters with headers and bodies: as JSON lines to standard output, or as files. They stay dead."""
    from ewms.cli.text.events.letter_files import json_line, write_bodies, write_files
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    if bodies and to is not None:
        raise Rejected("--bodies writes lines to standard output, --to writes files", hint="leave one of them out")
    n = 0
    with given.make_client() as ews:
        letters = ews.run(workflow).failures.export(**_build_filter(task, signature, event))
        if to is not None:
            n = write_files(to, letters)
        elif bodies:
            n = write_bodies(sys.stdout.buffer, letters)
            sys.stdout.flush()
        else:
            for letter, body in letters:
                sys.stdout.write(json_line(letter, body) + "\n")
                n += 1
            sys.stdout.flush()
    given.tell_user(f"{n} dead letter(s) exported{'' if to is None else f' to {to}'}")


def _build_filter(task: str | None, signature: str | None, event: str | None) -> "FailureFilter":
    which: FailureFilter = {}
    if task is not None:
        which["task_id"] = task
    if signature is not None:
        which["signature"] = signature
    if event is not None:
        which["event_id"] = event
    return which


def _check_choice(letters: list[str] | None, which: "FailureFilter", *, all_: bool) -> "FailureFilter":
    """Return `which`.

    Raises:
        Rejected: the user has chosen dead letters in no way, or in more than one way.
    """
    from schemas.errors import Rejected

    if bool(letters) + bool(which) + all_ != 1:
        raise Rejected(
            "choose dead letters: by name, by --task, --signature or --event, or with --all",
            hint="`ewms dlq list WORKFLOW` shows them by error",
        )
    return which


def _check_handled(n_handled: int, workflow: str, *, all_: bool) -> None:
    """Raise an error if the user chose certain dead letters and none of them exists. With --all, no error is raised.

    Raises:
        NotThere: none of the chosen dead letters exists.
    """
    from ewms.errors import NotThere

    if not n_handled and not all_:
        raise NotThere(
            f"{workflow} has none of these dead letters, or no longer",
            hint=f"`ewms dlq list {workflow}` shows them",
        )


def _find_letter(run: "Run", letter: str | None, signature: str | None) -> str:
    """Return the name of the dead letter that the user chose: `letter`, or the first one with the error `signature`.

    Raises:
        Rejected: both are given, or none.
        NotThere: there is no dead letter with this error.
    """
    from ewms.errors import NotThere
    from schemas.errors import Rejected

    if (letter is None) == (signature is None):
        raise Rejected("choose a dead letter: by its name, or by --signature", hint="`ewms dlq list` shows them")
    if letter is not None:
        return letter
    found = next(iter(run.failures.dead_letters(signature=signature)), None)
    if found is None:
        raise NotThere(f"{run.id} has no dead letter with the error {signature}", hint="`ewms dlq list` shows them")
    return found.letter


def _find_alias(run: "Run", mqid: str) -> str:
    """Return the alias of a queue; "" if the server has forgotten the workflow's queues."""
    from ewms.errors import NotThere

    with suppress(NotThere):
        return next((queue.alias for queue in run.depths().queues if queue.mqid == mqid), "")
    return ""


def _make_reporter(given: GlobalOptions) -> "Progress":
    """Return a function that reports progress to the user, from the second request on."""
    n_told = 0

    def report_progress(n_done: int) -> None:
        nonlocal n_told
        if n_told:
            given.tell_user(f"{n_done} so far")
        n_told += 1

    return report_progress
