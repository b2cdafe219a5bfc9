"""`ewms queue consume` on a terminal, with the keys of a user: Ctrl-C loses no event."""

import os
import pty
import re
import sys
from pathlib import Path

from tests.integration.ewms.conftest import ALIAS, WORKFLOW, FakeGateway, PublicQueue
from tests.integration.ewms.test_command import ewms
from tests.integration.ewms.test_queue_commands import wait_for_events

ROOT = Path(__file__).parents[3]
#: How many events each round adds.
N = 40


def test_ctrl_c_on_a_terminal_ends_with_its_status_and_loses_nothing(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    printed: list[str] = []
    for n_round, n_before in enumerate((1, 2, 5)):
        lines = "".join(f'"event {N * n_round + n}"\n' for n in range(N))
        ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin=lines)
        status, shown = press_ctrl_c_after(n_before, gateway)
        assert status == 130, shown
        assert "ewms: interrupted" in shown
        assert "Warning" not in shown
        assert "Traceback" not in shown
        printed += re.findall(r'"(event \d+)"', shown)
    rest = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "--idle", "1s").stdout
    printed += re.findall(r'"(event \d+)"', rest)
    assert set(printed) == {f"event {n}" for n in range(3 * N)}
    wait_for_events(public_queue, {0})


def press_ctrl_c_after(n_events: int, gateway: FakeGateway) -> tuple[int, str]:
    """Run `consume` on a terminal, press Ctrl-C after `n_events`; return its status and what the terminal showed."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        command = [sys.executable, "-m", "ewms.cli", "--server", gateway.url, "queue", "consume", WORKFLOW, ALIAS]
        os.execve(sys.executable, command, {**os.environ, "EWMS_TOKEN": "t"})
    shown, is_pressed = b"", False
    try:
        while piece := os.read(terminal, 64):
            shown += piece
            if not is_pressed and shown.count(b'"event ') >= n_events:
                is_pressed = True
                os.write(terminal, b"\x03")
    except OSError:
        pass  # Linux reports the end of a terminal as an error.
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()
