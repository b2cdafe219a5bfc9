import pytest

from ewms.workflows.definition import Task, Workflow, with_defaults, with_settings
from schemas.api import WorkflowRequest


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


def test_a_public_queue_that_no_task_uses_is_a_mistake_told_at_once() -> None:
    with pytest.raises(ValueError, match="photon; tasks use in, out"):
        Workflow(public=["photon"], tasks=[task(clusters=["x"])]).request()


@pytest.mark.parametrize("name", ["inputs", "outputs", "clusters", "input_files"])
@pytest.mark.parametrize("text", ["words", "a", ""])
def test_a_text_for_a_list_of_names_is_refused_by_name_with_the_list_to_write(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="must be a list of names") as refused:
        Workflow(tasks=[task(**{name: text})]).request(["osg"])
    assert str(refused.value) == f"'{name}': must be a list of names, and is the text {text!r}; write [{text!r}]"


def test_a_text_for_the_public_queues_is_refused_before_their_use_is_looked_at() -> None:
    with pytest.raises(ValueError, match=r"'public': must be a list of names.* write \['words'\]"):
        Workflow(public="words", tasks=[task()]).request(["osg"])
    with pytest.raises(ValueError, match=r"'inputs': .* write \['words'\]"):
        Workflow(public=["words"], tasks=[task(inputs="words")]).request(["osg"])


def test_a_file_without_tasks_says_that_tasks_are_missing() -> None:
    with pytest.raises(ValueError, match=r"^'tasks': is empty; write at least one task$"):
        with_defaults({"public_queue_aliases": ["in", "out"], "tasks": []}, ["osg"])


def test_a_task_without_a_cluster_and_a_workflow_without_a_task_are_refused() -> None:
    with pytest.raises(ValueError, match="cluster"):
        Workflow(public=["in"], tasks=[task()]).request()
    with pytest.raises(ValueError, match="at least one task"):
        Workflow(tasks=[]).request()


REQUEST = {"priority": 1, "tasks": [{"image": "a"}, {"image": "b", "n": {"x": 1}}]}


def test_settings_change_one_place_all_elements_or_add_a_key_and_leave_the_rest() -> None:
    changed = with_settings(REQUEST, {"priority": 9, "tasks.*.image": "c", "tasks.1.n.y": 2, "new": True})
    assert changed == {
        "priority": 9,
        "tasks": [{"image": "c"}, {"image": "c", "n": {"x": 1, "y": 2}}],
        "new": True,
    }
    assert REQUEST["priority"] == 1


@pytest.mark.parametrize("path", ["tasks.2.image", "tasks.x.image", "priority.deeper", "tasks.-1.image"])
def test_a_path_that_leads_nowhere_is_named(path: str) -> None:
    with pytest.raises(ValueError, match=path.replace(".", r"\.").replace("*", r"\*")):
        with_settings(REQUEST, {path: 1})


def test_a_request_gets_the_defaults_of_the_python_client() -> None:
    task = {"task_image": "i", "task_args": "a", "input_queue_aliases": ["x"], "worker_config": {"n_cores": 2}}
    filled = with_defaults({"tasks": [task], "public_queue_aliases": ["x"]}, ["here"])
    expected = Workflow(tasks=[Task(image="i", args="a", inputs=["x"], cores=2)], public=["x"]).request(["here"])
    assert filled == {name: value for name, value in expected.items() if name != "priority"}
    assert with_defaults(filled, []) == filled


@pytest.mark.parametrize("request_", [None, 3, [], {}, {"tasks": 3}, {"tasks": [3]}])
def test_what_is_no_request_is_left_for_the_server_to_refuse(request_: object) -> None:
    with_defaults(request_, ["here"])


def test_a_request_that_could_only_wait_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tasks\.0\.cluster_locations"):
        with_defaults({"tasks": [{}]}, [])
    task = {"input_queue_aliases": ["photons"]}
    with pytest.raises(ValueError, match=r"no task uses the public queue.s. fotons; tasks use photons"):
        with_defaults({"tasks": [task], "public_queue_aliases": ["fotons"]}, ["here"])
