"""Whoever defines a word of the wire has registered it, and two words never share a name."""

from typing import ClassVar, Literal

import pytest

from schemas.errors import Rejected
from schemas.events import PAYLOADS, ControlEvent, Order
from schemas.fleet.documents import WORKFLOWS, WorkflowDocument
from schemas.questions.bases import ANSWERS, QUESTIONS, Answer, Question
from schemas.registry import COLLECTIONS, register_collection
from schemas.wire import request_from_bytes, request_to_bytes


@pytest.fixture(autouse=True)
def own_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after the test what it defines."""
    monkeypatch.setattr("schemas.events.cloudevents.PAYLOADS", dict(PAYLOADS))
    monkeypatch.setattr("schemas.questions.bases.QUESTIONS", dict(QUESTIONS))
    monkeypatch.setattr("schemas.questions.bases.ANSWERS", dict(ANSWERS))
    monkeypatch.setattr("schemas.wire.QUESTIONS", QUESTIONS)
    monkeypatch.setattr("schemas.registry.COLLECTIONS", dict(COLLECTIONS))


def test_a_payload_is_known_where_it_is_defined() -> None:
    class TreeGrown(Order):
        TYPE: ClassVar = "tree.grown"
        TO: ClassVar = "trees"

        @property
        def subject(self) -> str:
            return "oak"

    raw = {
        "id": "1",
        "source": "ewms/test",
        "type": "ewms.tree.grown",
        "subject": "oak",
        "time": "2026-11-21T08:00:00Z",
        "dataschema": "ewms:tree.grown:1",
        "data": {},
    }
    event = ControlEvent.model_validate(raw)
    assert event.data == TreeGrown()
    assert event.routing_key == "trees.tree.grown"


def test_two_payloads_of_one_type_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"Another.*WorkflowOver.*'ewms\.workflow\.over': rename one"):

        class Another(Order):
            TYPE: ClassVar = "workflow.over"
            TO: ClassVar = "trees"


def test_two_questions_and_two_answers_of_one_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="'grant'"):

        class AnotherQuestion(Question):
            kind: Literal["grant"] = "grant"

    with pytest.raises(TypeError, match="'grant'"):

        class AnotherAnswer(Answer):
            kind: Literal["grant"] = "grant"


def test_a_question_is_known_where_it_is_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    class HowTall(Question):
        TO: ClassVar = "trees"
        kind: Literal["how-tall"] = "how-tall"

    with pytest.raises(Rejected, match="does not know the kind 'how-tall'"):
        request_from_bytes(request_to_bytes(HowTall()))
    monkeypatch.setattr("schemas.wire.QUESTIONS", {"how-tall": HowTall})
    assert request_from_bytes(request_to_bytes(HowTall())) == HowTall()


def test_a_collection_is_known_where_its_documents_are_defined() -> None:
    assert WORKFLOWS == "WorkflowColl"
    assert COLLECTIONS[WORKFLOWS] is WorkflowDocument


def test_two_kinds_of_documents_do_not_share_a_collection() -> None:
    class Tree:
        pass

    with pytest.raises(TypeError, match=r"Tree and WorkflowDocument are both called 'WorkflowColl'"):
        register_collection("WorkflowColl", Tree)
