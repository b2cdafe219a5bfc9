"""The events of streams about workflows: nothing is sent twice, and nothing is missed after a break."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.web.news.sse_format import StreamEvent
from schemas.api.workflows.news import WorkflowNews
from tests.unit.wms.insight.test_workflow_graph import make_world
from wms.insight.feed_events import (
    NewsItem,
    list_changes,
    list_progress_events,
    make_item,
    make_list,
    make_list_event,
    make_state,
)
from wms.insight.workflow_facts import describe_standing


def make_news(workflow_id: str, **fields: Any) -> NewsItem:
    plain: dict[str, Any] = {
        "workflow_id": workflow_id,
        "timestamp": 1.0,
        "priority": 50,
        "outcome": "",
        "ended_at": None,
        "inputs_closed": False,
        "has_queues": True,
        "stalled_since": None,
        "problems": [],
    }
    return make_item(WorkflowNews(**{**plain, **fields}))


def test_a_client_gets_the_state_once_and_again_after_a_change() -> None:
    seen = make_world()
    (first,) = list_progress_events(make_state(describe_standing(seen), is_over=False), known="")
    assert first.name == "workflow"
    assert json.loads(first.data)["workflow_id"] == seen.workflow.workflow_id
    assert list_progress_events(make_state(describe_standing(seen), is_over=False), known=first.id) == []
    changed = make_state(describe_standing(replace(seen, depths=None)), is_over=False)
    (second,) = list_progress_events(changed, known=first.id)
    assert second.id != first.id


def test_the_end_comes_after_the_last_state_also_to_a_client_that_knows_it() -> None:
    state = make_state(describe_standing(make_world()), is_over=True)
    last, end = list_progress_events(state, known="")
    assert (last.name, end.name, end.id) == ("workflow", "end", last.id)
    assert [event.name for event in list_progress_events(state, known=last.id)] == ["end"]


def apply_events(known: dict[str, str], events: list[StreamEvent]) -> dict[str, str]:
    """Return what a client knows after `events`: the data by the workflows' ids."""
    known = dict(known)
    for event in events:
        data = json.loads(event.data)
        match event.name:
            case "list":
                known = {each["workflow_id"]: json.dumps(each) for each in data["workflows"]}
            case "workflow":
                known[data["workflow_id"]] = json.dumps(data)
            case "gone":
                del known[data["workflow_id"]]
    return known


LISTS = st.dictionaries(st.sampled_from([f"WF-{n}" for n in range(6)]), st.integers(0, 2), max_size=6)


@given(st.lists(LISTS, min_size=1, max_size=8))
def test_a_client_knows_the_list_after_any_changes(lists: list[dict[str, int]]) -> None:
    listed = [make_list(make_news(name, priority=n) for name, n in each.items()) for each in lists]
    known = apply_events({}, [make_list_event(listed[0])])
    for before, news in pairwise(listed):
        events = list_changes(before, news)
        if news.id == before.id:
            assert events == []
        known = apply_events(known, events)
        assert known == {item.workflow_id: json.dumps(json.loads(item.data)) for item in news.items}
        # Only the last event has the new id: a client that was cut off before it gets the whole list.
        assert [bool(event.id) for event in events[:-1]] == [False] * len(events[:-1])
        if events:
            assert events[-1].id == news.id
