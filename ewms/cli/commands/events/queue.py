"""`ewms queue`: publish, consume, peek at, purge and measure the queues of a workflow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.commands.events import queue_history
from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions, can_ask, parse_option
from schemas.attempts.trace_sampling import DEFAULT_ONE_IN

if TYPE_CHECKING:
    from ewms.queues.payloads import Event

app = typer.Typer()

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The queue's alias, as the workflow names it.")]


@app.command()
def publish(
    context: typer.Context,
    workflow: Id,
    alias: Alias,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One JSON value on each line; - is standard input.")
    ] = Path("-"),
    *,
    text: Annotated[bool, typer.Option("--text", help="Each line is text, not JSON.")] = False,
    key: Annotated[
        str | None,
        typer.Option(
            help="The field that identifies an event. If you publish an event again, its task runs again, and its "
            "results come once."
        ),
    ] = None,
    close_inputs: Annotated[
        bool, typer.Option("--close-inputs", help="Then close the workflow's inputs: it ends by itself.")
    ] = False,
    active_within: Annotated[str, typer.Option(help="How long to wait for the queue to be active.")] = "2m",
    trace_one_in: Annotated[
        int,
        typer.Option(
            min=0,
            help="Trace the first 20 events, and about one in this many others. 1: all; 0: mark none here.",
        ),
    ] = DEFAULT_ONE_IN,
) -> None:
    """Publish events, one a line, and wait until the broker has confirmed each."""
    from ewms.cli.text.terminal.lines import describe_stop, name_line_in_errors, read_payloads
    from schemas.errors import Rejected
    from schemas.payloads.event_lines import read_key

    line = 0

    def note_line(number: int) -> None:
        nonlocal line
        line = number

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        publisher = (
            ews.run(workflow)
            .queue(alias)
            .publisher(
                active_timeout=parse_option("--active-within", active_within),
                close_inputs=close_inputs,
                trace_one_in=trace_one_in,
            )
        )
        publisher.notify = given.tell_user
        try:
            with publisher:
                for where, payload in read_payloads(file, text=text, on_line=note_line):
                    with name_line_in_errors(where):
                        publisher.send(payload, key=read_key(payload, key, where))
                line = 0
        except BaseException as error:
            # This may be Ctrl-C. Events that are published already stay.
            if publisher.n_confirmed or close_inputs:
                stop = describe_stop(
                    publisher.n_confirmed, workflow=workflow, alias=alias, file=file,
                    bad_line=line if isinstance(error, Rejected) else 0,
                    options=[
                        *(["--text"] if text else []), *(["--key", key] if key is not None else []),
                        *(["--close-inputs"] if close_inputs else []),
                        *(["--trace-one-in", str(trace_one_in)] if trace_one_in != DEFAULT_ONE_IN else []),
                    ],
                    stays_open=close_inputs,
                )  # fmt: skip
                given.tell_user(stop)
            raise
        if not given.write_result({"published": publisher.n_confirmed}):
            given.tell_user(f"{publisher.n_confirmed} event(s) published to {alias}")


@app.command()
def consume(
    context: typer.Context,
    workflow: Id,
    alias: Alias,
    *,
    n: Annotated[int | None, typer.Option("-n", min=1, help="Stop after this many events.")] = None,
    idle: Annotated[str | None, typer.Option(help="Stop when no event has come for this long: 10s.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also write the id, content type and headers of each event.")
    ] = False,
    remember: Annotated[
        bool,
        typer.Option(
            "--remember/--no-remember", help="Leave out events that this account has received within seven days."
        ),
    ] = True,
    active_within: Annotated[str, typer.Option(help="How long to wait for the queue to be active.")] = "2m",
) -> None:
    """Write events to standard output, one a line; each leaves the queue once it is written, or read from the pipe."""
    from ewms.cli.interrupts import leave_on_interrupt
    from ewms.cli.text.events.json_texts import JsonTextHint
    from ewms.cli.text.terminal.outlet import Outlet
    from ewms.cli.text.terminal.streams import json_text

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        results = (
            ews.run(workflow)
            .queue(alias)
            .results(
                n=n,
                idle_timeout=parse_option("--idle", idle),
                active_timeout=parse_option("--active-within", active_within),
                remember=remember,
            )
        )
        results.notify = given.tell_user
        taken = 0
        outlet = Outlet()
        hint = JsonTextHint()

        def tell_taken() -> None:
            left_out = (
                f", {results.n_duplicates} left out because this account had received them before"
                if results.n_duplicates
                else ""
            )
            given.tell_user(f"{taken} event(s) taken from {alias}{left_out}")
            if hint.text:
                given.tell_user(hint.text)

        try:
            # While `with results` opens the queue, Ctrl-C raises KeyboardInterrupt; afterwards an event may be in hand.
            with results, outlet, leave_on_interrupt(outlet.stop_waiting, results.leave):
                outlet.watch_reader(results.leave)
                for event in results:
                    # An event may leave the queue only after its reader has it.
                    if not outlet.write_line(json_text(_event_as_json(event, whole=whole)) + "\n"):
                        break
                    taken += 1
                    hint.note_body(event.body)
        except BaseException as error:
            # Events that were written have left the queue.
            if not outlet.is_abandoned and (taken or isinstance(error, KeyboardInterrupt)):
                tell_taken()
            raise
        # A reader that has left has all that it wanted.
        if not outlet.is_abandoned:
            tell_taken()


@app.command()
def peek(
    context: typer.Context,
    workflow: Id,
    alias: Alias,
    *,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="At most this many events.")] = 10,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also write the id, content type and headers of each event.")
    ] = False,
) -> None:
    """Write some events that wait in a queue to standard output, one a line, and leave all of them there."""
    from ewms.cli.text.events.json_texts import JsonTextHint
    from ewms.cli.text.terminal.streams import json_text

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        events = ews.run(workflow).queue(alias).peek(n, active_timeout=0)
    hint = JsonTextHint()
    for event in events:
        hint.note_body(event.body)
    shown = [_event_as_json(event, whole=whole) for event in events]
    if not given.write_result({"events": shown}, [event.id for event in events]):
        for one in shown:
            typer.echo(json_text(one))
        given.tell_user(f"{len(shown)} event(s) of {alias} shown; the queue still holds them")
        if hint.text:
            given.tell_user(hint.text)


@app.command()
def purge(
    context: typer.Context,
    workflow: Id,
    alias: Alias,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Throw away every event that waits in a queue; those that a consumer has in hand stay."""
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    if not yes:
        if not can_ask():
            raise Rejected("purging throws events away", hint="confirm it with --yes")
        typer.confirm(f"Throw away every event in {alias} of {workflow}?", abort=True, err=True)
    with given.make_client() as ews:
        n_purged = ews.run(workflow).queue(alias).purge(active_timeout=0)
    if not given.write_result({"purged": n_purged}):
        given.tell_user(f"{n_purged} event(s) of {alias} thrown away")


@app.command()
def token(
    context: typer.Context,
    workflow: Id,
    alias: Alias,
    *,
    to: Annotated[str | None, typer.Option(help="publish or consume: fail if the queue is not for this.")] = None,
) -> None:
    """Print a new token that opens this queue alone, for an AMQP client of your own. Keep it secret."""
    from schemas.api.queues.profiles import Use
    from schemas.errors import Rejected, Unavailable

    given: GlobalOptions = context.obj
    if to not in (None, *Use):
        raise Rejected(f"--to {to}: no such use", hint="publish or consume")
    with given.make_client() as ews:
        profile = ews.run(workflow).queue(alias).profile(None if to is None else Use(to))
    if not profile.auth_token:
        raise Unavailable(
            f"queue {alias!r} is not active yet", hint=f"wait: ewms workflow wait {workflow} --for active"
        )
    if not given.write_result(profile.model_dump(mode="json"), [profile.mqid]):
        typer.echo(profile.auth_token)
        given.tell_user(f"queue {profile.mqid} at {profile.broker_address}; the token is the password")


def _event_as_json(event: "Event", *, whole: bool) -> Any:
    body = event.body if not isinstance(event.body, bytes) else event.body.decode(errors="backslashreplace")
    if not whole:
        return body
    return {
        "id": event.id,
        "content_type": event.content_type,
        "attempt": event.attempt,
        "headers": event.headers,
        "body": body,
    }


@app.command()
def depth(
    context: typer.Context,
    workflow: Id,
    alias: Annotated[str | None, typer.Argument(metavar="[ALIAS]", help="Only this queue.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second, until Ctrl-C.")] = False,
) -> None:
    """Show how many events of each queue wait, are in work, or are put off until their next attempt; and the dead ones.

    Consumers are the workers and programs that take events from the queue.
    """
    from ewms.cli.text.fleet.tables import depth_table
    from ewms.cli.text.fleet.watch import tick_regularly
    from ewms.errors import NotThere

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        run = ews.run(workflow)
        for _ in tick_regularly(forever=watch):
            depths = run.depths()
            if alias is not None:
                chosen = [queue for queue in depths.queues if queue.alias == alias]
                if not chosen:
                    names = ", ".join(queue.alias for queue in depths.queues)
                    raise NotThere(f"{workflow} has no queue {alias!r}", hint=f"its queues: {names}")
                depths = depths.model_copy(update={"queues": chosen})
            if not given.write_result(depths.model_dump(mode="json"), [queue.alias for queue in depths.queues]):
                given.make_console().print(depth_table(depths, wide=given.is_wide))


app.command("history")(queue_history.show_history)
