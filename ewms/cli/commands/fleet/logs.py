"""`ewms taskforce logs` and `ewms task logs`: the workers' output, to the terminal or into a directory."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.context import GlobalOptions

if TYPE_CHECKING:
    from ewms.client import Client
    from ewms.workflows.worker_logs import LogInfo

#: In at most so many taskforces we look for killed pilots: each costs a request.
_MOST_ASKED = 20

LogsOf = Annotated[str, typer.Argument(metavar="ID", help="A taskforce, a task or a workflow: TF-..., TK-..., WF-...")]


def show_logs(
    context: typer.Context,
    id_: LogsOf,
    *,
    worker: Annotated[
        list[int], typer.Option("--worker", min=0, metavar="N", help="Only this worker, counted from 0. Repeatable.")
    ] = [],  # noqa: B006 - the parser copies it
    stdout: Annotated[bool, typer.Option("--stdout", help="Only their stdout.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only their stderr.")] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=1, max=1024 * 1024, metavar="BYTES", help="Only the end of each log.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIRECTORY", help="Write the logs as files into DIRECTORY/TF-...")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", "-l", help="List the logs and their lengths; fetch none.")] = False,
) -> None:
    """Show what workers wrote, if the request keeps it: of those that have ended, or have warned of something."""
    from ewms.errors import NotThere
    from schemas.questions.worker_logs import LogStream

    given: GlobalOptions = context.obj
    named = [stream for stream, chosen in ((LogStream.OUT, stdout), (LogStream.ERR, stderr)) if chosen]
    wanted = tuple(named or LogStream)
    with given.make_client() as ews:
        try:
            found = ews.logs(id_, workers=worker, streams=wanted)
        except NotThere:
            _tell_kills(given, ews, id_)
            raise
        if to is not None:
            _save_logs(given, ews, found, to, tail)
        elif given.write_result(
            {"logs": [_as_json(log) for log in found]}, [f"{log.taskforce_uuid}/{log.name}" for log in found]
        ):
            pass
        elif list_:
            from ewms.cli.text.fleet.tables import log_table

            given.make_console().print(log_table(found))
        else:
            _print_logs(given, ews, found, tail)
            _tell_kills(given, ews, id_)


def _tell_kills(given: GlobalOptions, ews: "Client", id_: str) -> None:
    """Say how often signals ended pilots, and on which workers: a killed pilot cannot write that into its log."""
    from schemas.errors import EWMSError
    from schemas.fleet.pilot_kills import EVENTS_OF_KILLED, describe_kills

    if given.quiet:
        return
    has_kills = False
    with suppress(EWMSError):
        # Without an answer, the logs or the error about them are still worth showing.
        for taskforce in ews.taskforces(id_)[:_MOST_ASKED]:
            for kills in ews.health(taskforce.taskforce_uuid).kills:
                given.tell_user(f"{taskforce.taskforce_uuid}: {describe_kills(kills)}")
                has_kills = True
        if has_kills:
            given.tell_user(EVENTS_OF_KILLED)


def _print_logs(given: GlobalOptions, ews: "Client", found: "list[LogInfo]", tail: int | None) -> None:
    from ewms.cli.text.terminal.plain import escape_stretches

    worth_showing = [log for log in found if log.n_bytes]
    for number, log in enumerate(worth_showing):
        if len(worth_showing) > 1 and not given.quiet:
            gap = "\n" if number else ""
            sys.stdout.write(f"{gap}==> {log.taskforce_uuid} worker {log.worker} std{log.stream} <==\n")
            sys.stdout.flush()
        stretches = ews.read_log(log, tail=tail)
        if sys.stdout.isatty():
            for text in escape_stretches(stretches):
                sys.stdout.write(text)
        else:
            # A file or a program gets the bytes unchanged.
            for stretch in stretches:
                sys.stdout.buffer.write(stretch)
        sys.stdout.flush()
    if n_empty := len(found) - len(worth_showing):
        given.tell_user(f"{n_empty} of {len(found)} log(s) are empty")


def _save_logs(given: GlobalOptions, ews: "Client", found: "list[LogInfo]", directory: Path, tail: int | None) -> None:
    from schemas.errors import Rejected

    n_bytes = 0
    written: list[dict[str, object]] = []
    for log in found:
        # Both parts have the form of a taskforce's id and of a log's name, so the path stays within `directory`.
        path = directory / log.taskforce_uuid / log.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            n_bytes += _write_stretches(path, ews.read_log(log, tail=tail))
        except OSError as error:
            raise Rejected(
                f"--to {directory}: cannot write {path}: {error.strerror}",
                hint="name a directory that you can write to",
            ) from error
        written.append(_as_json(log) | {"path": str(path)})
    if not given.write_result({"logs": written}, [str(log["path"]) for log in written]):
        given.tell_user(f"{len(found)} log(s), {n_bytes} bytes, in {directory}")


def _write_stretches(path: Path, stretches: Iterable[bytes]) -> int:
    """Write `stretches` to `path`, and return the number of bytes. The file exists only when it is complete."""
    n_bytes = 0
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            for stretch in stretches:
                n_bytes += file.write(stretch)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return n_bytes


def _as_json(log: "LogInfo") -> dict[str, object]:
    return {
        "taskforce_uuid": log.taskforce_uuid,
        "name": log.name,
        "n_bytes": log.n_bytes,
        "modified_at": log.modified_at.isoformat(),
    }
