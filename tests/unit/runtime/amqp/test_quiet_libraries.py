"""What a program sees of the libraries below `runtime.amqp` when a connection is lost."""

import subprocess
import sys

import pytest

LOSE = """
import logging
{setup}
import runtime.amqp
logging.getLogger("aiormq.connection").error("Cancelling cause reader exited abnormally")
logging.getLogger("runtime.amqp.link").warning("connection to the broker lost")
"""


@pytest.mark.parametrize(
    ("setup", "lines"),
    [
        ("", ["connection to the broker lost"]),
        (
            "logging.basicConfig(format='%(message)s')",
            ["Cancelling cause reader exited abnormally", "connection to the broker lost"],
        ),
    ],
    ids=["without logging", "with logging"],
)
def test_a_library_prints_what_we_report_only_where_the_program_asks_for_it(setup: str, lines: list[str]) -> None:
    program = LOSE.format(setup=setup)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == lines
