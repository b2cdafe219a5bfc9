"""Each signal that asks a launcher to end unwinds it once; only a third one cuts off the orderly end."""

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import signal, sys
from deploy.local.children.interruption import Interrupted, raise_on_signals
raise_on_signals()
number = int(sys.argv[1])
try:
    signal.raise_signal(number)
except Interrupted:
    print("unwinding", flush=True)
signal.raise_signal(number)
print("still unwinding", flush=True)
signal.raise_signal(number)
print("never")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_unwinds_the_second_does_nothing_the_third_ends(number: signal.Signals) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(int(number))], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, "unwinding\nstill unwinding\n", "")
