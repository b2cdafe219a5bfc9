"""Test step lists without a server: start them, fill in forms, answer callbacks, move the clock, read the journal.

    from ewms.steps.testing import Rehearsal

    def test_a_node_is_made() -> None:
        rehearsal = Rehearsal()
        process = rehearsal.start("create_node", [{"product": NODE}, {"node_name": "ams-1"}])
        process.expect("completed")
        assert process.cleared[:2] == ["Start", "Construct the model"]

Between two steps the state goes through JSON, as on a server.
"""

from ewms.steps.definitions import keep_definitions
from ewms.steps.registrations import keep_registrations
from ewms.steps.testing.journal import JournalRow, draw_journal
from ewms.steps.testing.memory import MemorySubscriptions, StaleVersion
from ewms.steps.testing.process import FormRefused, RehearsedProcess, WrongStatus
from ewms.steps.testing.rehearsal import Rehearsal, StartRefused

__all__ = [
    "FormRefused",
    "JournalRow",
    "MemorySubscriptions",
    "Rehearsal",
    "RehearsedProcess",
    "StaleVersion",
    "StartRefused",
    "WrongStatus",
    "draw_journal",
    "keep_definitions",
    "keep_registrations",
]
