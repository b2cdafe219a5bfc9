"""What a public queue can be used for, and what is said where it cannot."""

from collections.abc import Mapping

import pytest

from schemas.api.queues.profiles import Use
from schemas.errors import EWMSError, NotFound, Rejected, Unprocessable
from schemas.fleet.documents import QueuePlan, WorkflowDocument
from schemas.fleet.endings import Completion
from schemas.fleet.objects import MQProfile
from schemas.fleet.phases import Deactivated
from schemas.ids import Alias, Mqid, WorkflowId
from wms.gateway.ewms.queues.access_checks import QueueWish, check_not_gone, check_use, parse_wish


def workflow(deactivated: Deactivated | None = None) -> WorkflowDocument:
    def queue(alias: str, *, public: bool = True, is_input: bool = False, is_output: bool = False) -> QueuePlan:
        return QueuePlan(mqid=Mqid(alias), alias=Alias(alias), is_public=public, is_input=is_input, is_output=is_output)

    return WorkflowDocument(
        workflow_id="WF-1",
        timestamp=1.0,
        priority=50,
        deactivated=deactivated,
        deactivated_ts=2.0 if deactivated else None,
        queues=[
            queue("photons", is_input=True),
            queue("hits", public=False, is_input=True, is_output=True),
            queue("both", is_input=True, is_output=True),
            queue("results", is_output=True),
        ],
    )


def refusal(wished: QueueWish, of: WorkflowDocument) -> tuple[type[EWMSError], str, str]:
    with pytest.raises(EWMSError) as caught:
        check_use(of, wished)
    return type(caught.value), caught.value.reason, caught.value.hint


@pytest.mark.parametrize(
    ("alias", "use"),
    [
        (None, None),
        ("photons", None),
        ("photons", Use.PUBLISH),
        ("results", Use.CONSUME),
        ("both", Use.PUBLISH),
        ("both", Use.CONSUME),
    ],
)
def test_what_the_tasks_leave_to_users_can_be_used(alias: str | None, use: Use | None) -> None:
    check_use(workflow(), QueueWish(alias, use))


def test_a_queue_that_goes_the_other_way_is_named_with_its_purpose_and_the_remedy() -> None:
    assert refusal(QueueWish("photons", Use.CONSUME), workflow()) == (
        Unprocessable,
        "queue 'photons' of WF-1 is for publishing onto: only the workflow's tasks may take events from it",
        "consume from 'both', 'results'",
    )
    assert refusal(QueueWish("results", Use.PUBLISH), workflow()) == (
        Unprocessable,
        "queue 'results' of WF-1 is for consuming from: tasks publish onto it, and no task takes events from it",
        "publish onto 'photons', 'both'",
    )
    sink = workflow().model_copy(update={"queues": workflow().queues[:1]})
    assert refusal(QueueWish("photons", Use.CONSUME), sink)[2] == "the workflow has no public queue to consume from"


def test_a_private_queue_and_one_that_is_not_there_are_told_apart_for_the_owner() -> None:
    kind, reason, hint = refusal(QueueWish("hits", Use.CONSUME), workflow())
    assert (kind, reason) == (Unprocessable, "queue 'hits' of WF-1 is private: only the workflow's own tasks use it")
    assert "public_queue_aliases" in hint
    assert refusal(QueueWish("nothing"), workflow()) == (
        NotFound,
        "no public queue 'nothing' found of workflow with id: WF-1",
        "its public queues: 'photons', 'both', 'results'",
    )


@pytest.mark.parametrize("label", Deactivated)
def test_nothing_more_is_published_to_a_workflow_that_has_ended_and_its_results_are_still_consumed(
    label: Deactivated,
) -> None:
    ended = workflow(label)
    assert refusal(QueueWish("photons", Use.PUBLISH), ended) == (
        Unprocessable,
        f"queue 'photons' of WF-1 takes no more events: the workflow is {label.lower()}",
        "request a new workflow for further events",
    )
    check_use(ended, QueueWish("results", Use.CONSUME))
    check_use(ended, QueueWish("photons"))
    check_use(ended, QueueWish())


@pytest.mark.parametrize(
    ("parameters", "wished"),
    [
        ({}, QueueWish()),
        ({"alias": "a"}, QueueWish("a")),
        ({"alias": "a", "to": "consume"}, QueueWish("a", Use.CONSUME)),
        ({"unknown": "x"}, QueueWish()),
    ],
)
def test_a_wish_is_read_from_the_query(parameters: Mapping[str, str], wished: QueueWish) -> None:
    assert parse_wish(parameters) == wished


@pytest.mark.parametrize(
    "parameters",
    [{"to": "publish"}, {"alias": "a", "to": "drain"}, {"alias": ""}, {"alias": "a\nb"}, {"alias": "a" * 257}],
)
def test_a_wish_that_makes_no_sense_is_refused_without_repeating_it(parameters: Mapping[str, str]) -> None:
    with pytest.raises(Rejected) as caught:
        parse_wish(parameters)
    assert caught.value.code == 400
    assert "drain" not in caught.value.reason


def profile(alias: str, *, is_activated: bool) -> MQProfile:
    return MQProfile(
        mqid=Mqid("1"),
        workflow_id=WorkflowId("WF-1"),
        timestamp=1,
        alias=alias,
        is_public=True,
        is_activated=is_activated,
    )


def test_a_queue_of_an_ended_workflow_that_was_deleted_is_told_to_who_would_wait_for_it() -> None:
    ended = workflow(Deactivated.FINISHED)
    gone = [profile("results", is_activated=False), profile("both", is_activated=True)]
    with pytest.raises(Unprocessable) as caught:
        check_not_gone(ended, QueueWish("results", Use.CONSUME), gone)
    assert caught.value.reason == "queue 'results' of WF-1 is gone: the workflow is finished, and its queue was deleted"
    failed = ended.model_copy(update={"completion": Completion.DONE_WITH_FAILURES})
    with pytest.raises(Unprocessable, match="the workflow is done with failures, and its queue was deleted"):
        check_not_gone(failed, QueueWish("results", Use.CONSUME), gone)
    assert "the workflow is done with failures" in refusal(QueueWish("photons", Use.PUBLISH), failed)[1]
    # Still there, not active yet, asked for by nobody in particular.
    check_not_gone(ended, QueueWish("both", Use.CONSUME), gone)
    check_not_gone(workflow(), QueueWish("results", Use.CONSUME), gone)
    check_not_gone(ended, QueueWish("results"), gone)
    check_not_gone(ended, QueueWish(), gone)
