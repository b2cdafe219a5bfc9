"""What a notification says, and that a name cannot add lines to it."""

from typing import Any

from schemas.engine.graph import BranchingProfile
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RunStatus
from schemas.ids import RunId
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import NOW, Walk
from wms.notifications.messages.bodies import Story, make_context, make_payload, write_body, write_subject
from wms.notifications.messages.sample_context import make_sample_context


def make_job(number: int, title: str, status: str, *, n_nodes: int = 1, **fields: Any) -> RunDocument:
    """Return a job; of one node it is a leaf."""
    graph = make_graph(BranchingProfile.TREE, n_nodes).model_copy(update={"is_leaf": n_nodes == 1})
    run = Walk(graph).run
    more = {"id": RunId(number), "title": title, "status": RunStatus(status), "started_at": NOW}
    return run.facts.model_copy(update={"nodes": tuple(run.nodes), **more, **fields})


TREE = make_job(7, "release", "failed", n_nodes=3)
STORY = Story(
    TREE, {1: make_job(212, "foo", "successful"), 2: make_job(213, "bar", "failed")}, public_url="https://e.example.org"
)


def test_a34_a35_the_body_has_a_line_for_each_node_in_the_order_of_their_numbers() -> None:
    assert write_body(STORY) == (
        "Workflow job summary:\n"
        "\n"
        "- node #140000 spawns no job.\n"
        '- node #140001 spawns job #212, "foo", which finished with status successful.\n'
        '- node #140002 spawns job #213, "bar", which finished with status failed.'
    )


def test_a34_a_job_that_is_no_tree_has_no_body_and_an_active_one_its_current_status() -> None:
    assert write_body(Story(make_job(4, "x", "running"), {})) == ""
    running = Story(TREE, {0: make_job(5, "x", "waiting")})
    assert '- node #140000 spawns job #5, "x", which finished with status running.' in write_body(running)


def test_a34_the_payload_has_the_facts_and_hides_masked_variables() -> None:
    run = TREE.model_copy(update={"params": {"a": 1, "b": "correct-horse"}, "masked": ("b",), "owner": "ada"})
    payload = make_payload(Story(run, {}, public_url="https://e.example.org"), "text")
    assert {"id", "name", "url", "created_by", "started", "finished", "status", "traceback", "body"} <= payload.keys()
    assert (payload["status"], payload["created_by"], payload["body"]) == ("failed", "ada", "text")
    assert payload["url"] == "https://e.example.org/api/v2/workflow_jobs/7/"
    assert payload["extra_vars"] == {"a": 1, "b": "$encrypted$"}


def test_a_name_with_line_breaks_adds_no_line() -> None:
    evil = make_job(5, 'x"\n- node #1 spawns no job.\r\u2028', "failed")
    text = write_body(Story(TREE, {0: evil}))
    assert len(text.splitlines()) == 5
    assert "\n" not in write_subject(Story(evil, {}), "error")


def test_subjects_say_what_has_happened() -> None:
    assert write_subject(STORY, "error").startswith(
        'Workflow Job #7 "release" is failed: https://e.example.org/api/v2/'
    )


def test_the_sample_by_which_messages_are_checked_has_the_keys_of_a_job() -> None:
    for words, story in (("error", STORY), ("success", STORY)):
        real, sample = make_context(story, words), make_sample_context(words)
        assert real.keys() == sample.keys()
        assert real["job"].keys() == sample["job"].keys()
        assert real["job_metadata"].keys() == sample["job_metadata"].keys()
