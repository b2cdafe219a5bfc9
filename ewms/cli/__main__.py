"""Run the `ewms` command, and turn every error into a message and an exit status."""

import json
import logging
import os
import sys
from collections.abc import Sequence

from ewms.cli.arguments import find_output_option, move_globals_first
from ewms.cli.exits import ExitStatus, error_message, error_object, exit_status_of, is_output_error
from ewms.cli.interrupts import Interrupts
from ewms.cli.text.terminal.streams import abandon_output, prepare_streams, print_to_stderr
from schemas.errors import EWMSError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, and return the exit status. Show a traceback only if EWMS_DEBUG is set."""
    with Interrupts(is_whole_process=argv is None) as interrupts:
        try:
            status = _run_process(sys.argv[1:] if argv is None else argv, interrupts)
            interrupts.stop_raising(status)
        except KeyboardInterrupt:
            status = ExitStatus.INTERRUPTED
            interrupts.stop_raising(status)
            print_to_stderr("ewms: interrupted")
    return status


def _run_process(argv: Sequence[str], interrupts: Interrupts) -> int:
    try:
        prepare_streams()
    except EWMSError as error:
        print_to_stderr(error_message(error))
        return exit_status_of(error)
    return _flush_output(_run_command(argv, interrupts))


def _run_command(argv: Sequence[str], interrupts: Interrupts) -> int:
    from typer import Abort
    from typer.main import get_command

    from ewms.cli.app import app

    if not os.environ.get("EWMS_DEBUG"):
        # Silence the libraries' log lines: the user gets our own message about the same thing.
        logging.disable()
    try:
        outcome = get_command(app).main(args=move_globals_first(argv), prog_name="ewms", standalone_mode=False)
    except Abort:
        # The parser raises this when the user answers "no", and at the end of the input.
        raise KeyboardInterrupt from None
    except SystemExit as leaving:
        # The parser exits so when the reader of a pipe has gone (`ewms queue consume ... | head`). That is no failure.
        if isinstance(leaving.__context__, BrokenPipeError):
            return ExitStatus.OK
        raise
    except Exception as error:
        if interrupts.was_asked:
            # An interrupt cut something off, and this error is what came of it.
            raise KeyboardInterrupt from error
        # The last resort: a user gets a message, not a traceback.
        if os.environ.get("EWMS_DEBUG"):
            raise
        if is_output_error(error):
            abandon_output()
        if find_output_option(argv) in ("json", "yaml"):
            print_to_stderr(json.dumps(error_object(error)))
        elif text := error_message(error):
            print_to_stderr(text)
        return exit_status_of(error)
    # After Ctrl-C the parser returns this status without a message.
    if outcome == ExitStatus.INTERRUPTED:
        raise KeyboardInterrupt
    return outcome if isinstance(outcome, int) else ExitStatus.OK


def _flush_output(status: int) -> int:
    """Flush the output, and return `status`. If that fails, return the exit status of the error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left because it has all that it wanted.
        abandon_output()
    except OSError as error:
        abandon_output()
        print_to_stderr(error_message(error))
        return exit_status_of(error)
    return status


if __name__ == "__main__":
    sys.exit(main())
