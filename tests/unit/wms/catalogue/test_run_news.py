"""What the run of a builder means for a task."""

from typing import Any

import pytest

from schemas.engine.graph import DefinitionKind, Node, make_chain
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeError, NodeState, NodeStatus, RunStatus, Want, WantKind
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from tests.unit.wms.catalogue.making import COMMIT, DIGEST, NOW
from wms.catalogue.life.run_news import RunNews, RunProgress, read_run

STATE = {
    "commit": {"commit": COMMIT, "subject": "Mend it"},
    "image": {"digest": DIGEST, "size_bytes": 5},
    "synced": {"north": {"digest": DIGEST, "image": "/i"}},
}


def make_run(run_status: RunStatus, *, state: dict[str, Any] | None = None, **node: Any) -> RunDocument:
    """Return a run with two steps, of which the second one is as `node` says."""
    steps = tuple(Node(key=NodeKey(key), name=key, function=key) for key in ("1", "2"))
    states = (NodeState(key=NodeKey("1"), status=NodeStatus.SUCCESSFUL), NodeState(key=NodeKey("2"), **node))
    return RunDocument(
        id=RunId(1),
        uuid=RunUuid("u"),
        kind=DefinitionKind.CATALOGUE,
        definition="build_task_image",
        definition_hash=DefinitionHash("h"),
        pool="ewms-builder",
        graph=make_chain(steps),
        nodes=states,
        status=run_status,
        state=state or {},
        created_at=NOW,
    )


def fault(message: str) -> NodeError:
    """Return the error of a step."""
    return NodeError(error_class="RuntimeError", message=message)


@pytest.mark.parametrize(
    ("run", "progress", "reason"),
    [
        (make_run(RunStatus.CREATED), RunProgress.GOES_ON, ""),
        (make_run(RunStatus.RUNNING, status=NodeStatus.TAKEN), RunProgress.GOES_ON, ""),
        (
            make_run(RunStatus.RUNNING, status=NodeStatus.DUE, explanation="no worker of the pool is there"),
            RunProgress.GOES_ON,
            "no worker of the pool is there",
        ),
        (
            make_run(RunStatus.WAITING, status=NodeStatus.RETRYING, error=fault("location 'north': no route")),
            RunProgress.GOES_ON,
            "location 'north': no route",
        ),
        (make_run(RunStatus.SUCCESSFUL, status=NodeStatus.SUCCESSFUL), RunProgress.ENDED_WELL, ""),
        (
            make_run(RunStatus.HALTED, status=NodeStatus.HALTED, error=fault("no Dockerfile")),
            RunProgress.FAILED,
            "no Dockerfile",
        ),
        (make_run(RunStatus.FAILED, status=NodeStatus.FAILED, error=fault("no")), RunProgress.FAILED, "no"),
        (
            make_run(RunStatus.ERROR, status=NodeStatus.ERROR, explanation="three workers died"),
            RunProgress.FAILED,
            "three workers died",
        ),
        (make_run(RunStatus.ERROR), RunProgress.FAILED, "the builder's run has failed without a reason"),
        (
            make_run(RunStatus.CANCELED).model_copy(
                update={"want": Want(kind=WantKind.CANCEL, who="ada", why="too slow", at=NOW)}
            ),
            RunProgress.FAILED,
            "the builder's run was canceled by ada: too slow",
        ),
        (make_run(RunStatus.STOPPED), RunProgress.FAILED, "the builder's run was stopped"),
        (make_run(RunStatus("of-a-later-version")), RunProgress.GOES_ON, ""),
    ],
)
def test_each_status_of_a_run(run: RunDocument, progress: RunProgress, reason: str) -> None:
    assert read_run(run) == RunNews(progress=progress, reason=reason)


def test_every_known_status_was_tried() -> None:
    [mark] = test_each_status_of_a_run.pytestmark  # type: ignore[attr-defined]
    assert {run.status for run, *_ in mark.args[1] if run.status.is_known} == set(RunStatus)


def test_what_the_steps_have_left_is_read() -> None:
    news = read_run(make_run(RunStatus.RUNNING, state=STATE))
    assert news.commit is not None
    assert news.image is not None
    assert (news.commit.commit, news.image.digest, news.synced["north"].image) == (COMMIT, DIGEST, "/i")


@pytest.mark.parametrize(
    ("left", "named"),
    [
        ({"commit": {"commit": "main"}}, "commit"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"image": "x"}, ""),
        ({"synced": {"north": {"digest": DIGEST}}}, "image"),
    ],
)
def test_an_answer_that_does_not_fit_fails_the_build_and_names_the_field(left: dict[str, Any], named: str) -> None:
    news = read_run(make_run(RunStatus.SUCCESSFUL, state={**STATE, **left}))
    assert news.progress is RunProgress.FAILED
    assert news.reason.startswith(f"the builder's answer cannot be read: {named}")
    assert news.image is None
