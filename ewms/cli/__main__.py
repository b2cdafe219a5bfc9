"""The way into the `ewms` command: run it, and turn whatever goes wrong into a message and an exit status."""

import logging
import os
import sys
from collections.abc import Sequence

from ewms.cli.arguments import globals_first
from ewms.cli.exits import Exit, exit_of, message


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status. Never a traceback, unless EWMS_DEBUG asks for one."""
    from typer import Abort
    from typer.main import get_command

    from ewms.cli.app import app

    if not os.environ.get("EWMS_DEBUG"):
        # The libraries' own lines: what they tell of reaches the user as a message of ours.
        logging.disable()
    arguments = globals_first(sys.argv[1:] if argv is None else argv)
    try:
        outcome = get_command(app).main(args=arguments, prog_name="ewms", standalone_mode=False)
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
        if text := message(error):
            sys.stderr.write(text + "\n")
        return exit_of(error)
    # Of Ctrl-C it makes this number, and says nothing.
    if outcome == Exit.INTERRUPTED:
        sys.stderr.write("ewms: interrupted\n")
    return outcome if isinstance(outcome, int) else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
