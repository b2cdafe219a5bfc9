"""The way into the `ewms` command: run it, and turn whatever goes wrong into a message and an exit status."""

import json
import logging
import os
import sys
from collections.abc import Sequence

from ewms.cli.arguments import globals_first, output_of
from ewms.cli.exits import Exit, error_object, exit_of, is_output, message
from ewms.cli.text.streams import abandon_output, prepare_streams, tell
from schemas.errors import EWMSError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status. Never a traceback, unless EWMS_DEBUG asks for one."""
    try:
        prepare_streams()
    except EWMSError as error:
        tell(message(error))
        return exit_of(error)
    return _flush_output(_run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    from typer import Abort
    from typer.main import get_command

    from ewms.cli.app import app

    if not os.environ.get("EWMS_DEBUG"):
        # The libraries' own lines: what they tell of reaches the user as a message of ours.
        logging.disable()
    try:
        outcome = get_command(app).main(args=globals_first(argv), prog_name="ewms", standalone_mode=False)
    except (KeyboardInterrupt, Abort):
        # The parser makes an Abort of a "no" and of the end of the input.
        outcome = Exit.INTERRUPTED
    except SystemExit as leaving:
        # The parser's answer to a reader that has gone (`ewms queue consume ... | head`), which is no failure.
        if isinstance(leaving.__context__, BrokenPipeError):
            return Exit.OK
        raise
    except Exception as error:
        # The last resort: a user gets a message, not a traceback.
        if os.environ.get("EWMS_DEBUG"):
            raise
        if is_output(error):
            abandon_output()
        if output_of(argv) in ("json", "yaml"):
            tell(json.dumps(error_object(error)))
        elif text := message(error):
            tell(text)
        return exit_of(error)
    # Of Ctrl-C it makes this number, and says nothing.
    if outcome == Exit.INTERRUPTED:
        tell("ewms: interrupted")
    return outcome if isinstance(outcome, int) else Exit.OK


def _flush_output(status: int) -> int:
    """Write out what is left of the output; return `status`, or that of an output that cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has all that it wanted.
        abandon_output()
    except OSError as error:
        abandon_output()
        tell(message(error))
        return exit_of(error)
    return status


if __name__ == "__main__":
    sys.exit(main())
