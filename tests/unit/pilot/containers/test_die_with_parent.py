"""A tethered command is the command itself, but for how it lives."""

import sys

from pilot.containers.command import Command
from pilot.containers.die_with_parent import tie_to_parent


def test_a_tethered_command_keeps_its_words_its_environment_and_its_killer() -> None:
    command = Command(("reco", "-c", "x y"), {"PATH": "/bin", "LC_CTYPE": "C"}, kill_argv=("docker", "rm", "u"))
    made = tie_to_parent(command, "/usr/bin/reco", 42)
    assert made.argv[:4] == (sys.executable, "-I", "-S", "-c")
    assert made.argv[5:] == ("42", "1", "/usr/bin/reco", "reco", "-c", "x y")
    assert (made.environment, made.kill_argv) == (command.environment, command.kill_argv)


def test_a_locale_that_the_command_has_not_is_not_added() -> None:
    assert tie_to_parent(Command(("reco",), {}), "/bin/reco", 42).argv[6] == ""
