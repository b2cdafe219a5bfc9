import shlex
from pathlib import Path

from deploy.demo.tracks import INPUT, OUTPUT, build_workflow, sample_events
from schemas.api.workflows.requests import WorkflowRequest


def test_the_workflow_is_one_that_the_server_accepts() -> None:
    request = WorkflowRequest.model_validate(build_workflow(Path("/some where/image"), "local").request())
    first, second = request.tasks
    assert request.public_queue_aliases == [INPUT, OUTPUT]
    assert first.output_queue_aliases == second.input_queue_aliases
    assert (first.n_workers or 0) + (second.n_workers or 0) == 8
    assert second.task_image == "/some where/image"
    assert second.pilot_config.environment["_EWMS_PILOT_CONTAINER_PLATFORM"] == "apptainer"


def test_the_commands_name_files_that_exist_and_the_placeholders() -> None:
    first, _ = WorkflowRequest.model_validate(build_workflow(Path("/i"), "local").request()).tasks
    python, *_options, script, infile, outfile = shlex.split(first.task_args)
    assert Path(python).exists()
    assert Path(script).exists()
    assert (infile, outfile) == ("{{INFILE}}", "{{OUTFILE}}")


def test_the_sample_is_the_same_every_time_and_numbered() -> None:
    sample = sample_events(5)
    assert sample == sample_events(5)
    assert [event["event"] for event in sample] == [0, 1, 2, 3, 4]
