"""Words that a newer version has stored: after a downgrade they are read, and equal nothing that this version knows."""

import copy
import pickle

import pytest
from pydantic import ValidationError

from schemas.fleet.endings import Completion, Ending
from schemas.fleet.phases import WANTED, Deactivated, Phase, may_move
from schemas.fleet.queue_documents import GroupState, MQGroupDocument
from schemas.stored_enum import StoredEnum
from wms.fleet.stalls.stalling import ObstacleKind

STORED: list[type[StoredEnum]] = [Phase, Deactivated, Completion, GroupState, ObstacleKind]


@pytest.mark.parametrize("words", STORED)
def test_an_unknown_word_is_read_and_equals_no_known_one(words: type[StoredEnum]) -> None:
    new = words("from-tomorrow")
    assert isinstance(new, words)
    assert (str(new), new.value, new) == ("from-tomorrow",) * 3
    assert not new.is_known
    assert new not in set(words)
    assert "from-tomorrow" not in [word.value for word in words]
    assert all(word.is_known for word in words)
    assert copy.deepcopy(new) == pickle.loads(pickle.dumps(new)) == new


@pytest.mark.parametrize("value", [None, 7, "x" * 65, b"done"])
def test_what_is_no_word_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a valid Phase"):
        Phase(value)


def test_documents_and_answers_with_an_unknown_word_are_read_and_written_back_as_they_are() -> None:
    group = MQGroupDocument.model_validate({"workflow_id": "WF-1", "timestamp": 1.0, "state": "sealed"})
    assert group.model_dump(mode="json")["state"] == "sealed"
    ending = {
        "workflow_id": "WF-1",
        "inputs_closed_at": None,
        "expected_results": None,
        "count_failures": False,
        "completion": "done-twice",
        "n_dead": None,
        "has_all_results": True,
    }
    assert Ending.model_validate(ending).model_dump(mode="json")["completion"] == "done-twice"
    with pytest.raises(ValidationError):
        Ending.model_validate({**ending, "completion": 5})
    schema = Ending.model_json_schema()
    assert schema["$defs"]["Completion"]["enum"] == ["done", "done with failures"]


def test_nothing_leads_out_of_an_unknown_phase() -> None:
    new = Phase("from-tomorrow")
    assert new not in WANTED
    assert not any(may_move(new, target) for target in Phase)
