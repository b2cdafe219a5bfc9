import pytest

from ewms.workflows.checking import find_complaints
from ewms.workflows.definition import Task, Workflow, apply_settings, fill_defaults
from schemas.api.workflows.requests import WorkflowRequest


def task(**changes: object) -> Task:
    values: dict[str, object] = {"image": "/img", "args": "run", "inputs": ["in"], "outputs": ["out"]} | changes
    return Task(**values)  # type: ignore[arg-type]  # what a caller may write is the point


def test_a_workflow_becomes_a_request_that_the_server_s_own_model_accepts() -> None:
    workflow = Workflow(
        name="reco",
        public=["in", "out"],
        priority=60,
        tasks=[
            task(outputs=["mid"], clusters=["osg"], n_workers=4, pilot={"EWMS_PILOT_INFILE_EXT": ".json"}),
            task(inputs=["mid"], memory=512 * 1024**2, max_runtime="1.5h", env={"SEED": "7"}, input_files=["/geo"]),
        ],
    )
    request = WorkflowRequest.model_validate(workflow.request(["test-alpha"]))
    first, second = request.tasks
    assert request.public_queue_aliases == ["in", "out"]
    assert request.priority == 60
    assert (first.cluster_locations, second.cluster_locations) == (["osg"], ["test-alpha"])
    assert first.pilot_config.environment == {"EWMS_PILOT_INFILE_EXT": ".json"}
    assert second.pilot_config.input_files == ["/geo"]
    assert second.worker_config.max_worker_runtime == 5400
    assert second.worker_config.worker_memory == 512 * 1024**2
    assert second.task_env == {"SEED": "7"}


def told(request: object) -> list[str]:
    """Return what the check says of a request."""
    return [str(complaint) for complaint in find_complaints(request)]


def test_a_public_queue_that_no_task_uses_is_a_mistake_told_at_once() -> None:
    found = told(Workflow(public=["in", "out", "photon"], tasks=[task(clusters=["x"])]).request())
    assert found == ["'public_queue_aliases': no task uses the public queue(s) photon; tasks use in, out"]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("inputs", "input_queue_aliases"),
        ("outputs", "output_queue_aliases"),
        ("clusters", "cluster_locations"),
    ],
)
@pytest.mark.parametrize(("text", "names"), [("words", '["words"]'), ("a", '["a"]'), ("a, b", '["a", "b"]')])
def test_a_text_for_a_list_of_names_is_refused_by_name_with_the_list_to_write(
    name: str, field: str, text: str, names: str
) -> None:
    found = told(Workflow(public=["in", "out"], tasks=[task(**{name: text})]).request(["osg"]))
    assert found[0] == f"'tasks.0.{field}': is the text {text!r}, and must be a list of names; write {names}"


def test_a_text_for_the_public_queues_and_one_for_a_task_s_are_both_told() -> None:
    found = told(Workflow(public="words", tasks=[task(inputs="words", outputs=[])]).request(["osg"]))
    assert found == [
        "'tasks.0.input_queue_aliases': is the text 'words', and must be a list of names; write [\"words\"]",
        "'public_queue_aliases': is the text 'words', and must be a list of names; write [\"words\"]",
    ]


@pytest.mark.parametrize("request_", [{"tasks": []}, {"public_queue_aliases": ["in", "out"], "tasks": []}])
def test_a_file_without_tasks_says_that_tasks_are_missing(request_: object) -> None:
    (said,) = told(fill_defaults(request_, ["osg"]))
    assert said.startswith("'tasks': is empty, and must have at least 1 element; write it like [{")


def test_a_task_without_a_cluster_and_a_workflow_without_a_task_are_refused() -> None:
    (said,) = told(Workflow(public=["in", "out"], tasks=[task()]).request())
    assert said.startswith("'tasks.0.cluster_locations': is empty; name a cluster: ")
    assert "EWMS_CLUSTER" in said
    assert told(Workflow(tasks=[]).request())[0].startswith("'tasks': is empty")


@pytest.mark.parametrize(
    "changes",
    [
        {"max_runtime": "soon"},
        {"max_runtime": None},
        {"env": ["A=1"]},
        {"pilot": "x"},
        {"inputs": 3},
        {"outputs": None},
        {"n_workers": "8"},
        {"cores": 0},
        {"memory": "2 Gigs"},
        {"image": None},
        {"args": ["cp", "x"]},
        {"input_files": "/data/a"},
        {"init_env": None},
    ],
)
def test_whatever_a_program_writes_into_a_task_is_told_by_the_request_s_field(changes: dict[str, object]) -> None:
    found = told(Workflow(public=["in", "out"], tasks=[task(**changes)]).request(["osg"]))
    assert found
    assert all(line.startswith("'tasks.0.") for line in found)


REQUEST = {"priority": 1, "tasks": [{"image": "a"}, {"image": "b", "n": {"x": 1}}]}


def test_settings_change_one_place_all_elements_or_add_a_key_and_leave_the_rest() -> None:
    changed = apply_settings(REQUEST, {"priority": 9, "tasks.*.image": "c", "tasks.1.n.y": 2, "new": True})
    assert changed == {
        "priority": 9,
        "tasks": [{"image": "c"}, {"image": "c", "n": {"x": 1, "y": 2}}],
        "new": True,
    }
    assert REQUEST["priority"] == 1


@pytest.mark.parametrize("path", ["tasks.2.image", "tasks.x.image", "priority.deeper", "tasks.-1.image"])
def test_a_path_that_leads_nowhere_is_named(path: str) -> None:
    with pytest.raises(ValueError, match=path.replace(".", r"\.").replace("*", r"\*")):
        apply_settings(REQUEST, {path: 1})


def test_a_request_gets_the_defaults_of_the_python_client() -> None:
    task = {"task_image": "i", "task_args": "a", "input_queue_aliases": ["x"], "worker_config": {"n_cores": 2}}
    filled = fill_defaults({"tasks": [task], "public_queue_aliases": ["x"]}, ["here"])
    expected = Workflow(tasks=[Task(image="i", args="a", inputs=["x"], cores=2)], public=["x"]).request(["here"])
    assert filled == {name: value for name, value in expected.items() if name != "priority"}
    assert fill_defaults(filled, []) == filled


@pytest.mark.parametrize("request_", [None, 3, [], {}, {"tasks": 3}, {"tasks": [3]}])
def test_what_is_no_request_is_left_for_the_server_to_refuse(request_: object) -> None:
    fill_defaults(request_, ["here"])


def test_a_request_that_could_only_wait_is_refused() -> None:
    faults = told(fill_defaults({"tasks": [{}]}, []))
    assert any(line.startswith("'tasks.0.cluster_locations': is missing; name a cluster") for line in faults)
    task = {"input_queue_aliases": ["photons"], "task_image": "/img"}
    faults = told(fill_defaults({"tasks": [task], "public_queue_aliases": ["fotons"]}, ["here"]))
    assert faults[0] == (
        "'tasks.0.input_queue_aliases': no task writes to the private queue 'photons', and no task uses the public "
        "queue 'fotons'; did you mean 'fotons'? Or write 'photons' in 'public_queue_aliases', too"
    )
