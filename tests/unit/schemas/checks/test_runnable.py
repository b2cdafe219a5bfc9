"""Requests that the contract takes and that can never do what they say."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.api.workflows.requests import WorkflowRequest
from schemas.checks.runnable import find_complaints
from schemas.rules.complaints import Complaint


def request(public: list[str] | None = None, **changes: Any) -> WorkflowRequest:
    task: dict[str, Any] = {
        "cluster_locations": ["here"],
        "task_image": "/cvmfs/image",
        "task_args": "run {{INFILE}} {{OUTFILE}}",
        "input_queue_aliases": ["in"],
        "output_queue_aliases": ["out"],
        "worker_config": {
            "do_transfer_worker_stdouterr": False,
            "max_worker_runtime": 3600,
            "n_cores": 1,
            "priority": 1,
            "worker_disk": "1G",
            "worker_memory": "512M",
        },
    }
    pilot = changes.pop("pilot", {})
    worker = changes.pop("worker", {})
    task |= changes
    task["worker_config"] |= worker
    task["pilot_config"] = {"environment": pilot, **task.get("pilot_config", {})}
    return WorkflowRequest.model_validate(
        {"tasks": [task], "public_queue_aliases": ["in", "out"] if public is None else public}
    )


def told(found: list[Complaint]) -> list[str]:
    return [str(complaint) for complaint in found]


PILOT = "tasks.0.pilot_config.environment."

#: What a request has, and what is said of it: the field, then words of the rule and of the remedy.
WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({"task_args": "echo 'a"}, "tasks.0.task_args", "does not split", "close the quotation mark"),
    ({"pilot": {"EWMS_PILOT_OUTCOMES_TO": "ends"}}, f"{PILOT}EWMS_PILOT_OUTCOMES_TO", "output queue", "to its outputs"),
    ({"pilot": {"EWMS_PILOT_AT_MOST_ONCE": "True"}}, f"{PILOT}EWMS_PILOT_AT_MOST_ONCE", "OUTCOMES_TO", "set it"),
    ({"pilot": {"EWMS_PILOT_SECRETS": "../up"}}, f"{PILOT}EWMS_PILOT_SECRETS", "must be names", "write it like"),
    ({"task_args": "a \\"}, "tasks.0.task_args", "does not split", "write the backslash twice"),
    ({"init_image": "i", "init_args": 'a "b'}, "tasks.0.init_args", "does not split", "close the quotation mark"),
    ({"task_args": "cp {{INFIEL}} x"}, "tasks.0.task_args", "{{INFIEL}} stays unchanged", "did you mean {{INFILE}}?"),
    ({"task_args": "cp {{ INFILE }}"}, "tasks.0.task_args", "{{ INFILE }}", "did you mean {{INFILE}}?"),
    ({"task_args": "cp {{infile}}"}, "tasks.0.task_args", "{{infile}}", "did you mean {{INFILE}}?"),
    ({"task_args": "cp {{In-File}}"}, "tasks.0.task_args", "{{In-File}}", "did you mean {{"),
    ({"task_args": "cp {OUTFILE}"}, "tasks.0.task_args", "{OUTFILE}", "did you mean {{OUTFILE}}?"),
    ({"task_args": "cp {{OUTFILE}"}, "tasks.0.task_args", "{{OUTFILE}", "did you mean {{OUTFILE}}?"),
    ({"task_args": "cp {{DATAHUBB}}"}, "tasks.0.task_args", "{{DATAHUBB}}", "did you mean {{DATA"),
    ({"init_image": "i", "init_args": "get {{DATA HUB}}"}, "tasks.0.init_args", "{{DATA HUB}}", "did you mean {{DATA"),
    ({"task_env": {"IN": "{{INFILE}}"}}, "tasks.0.task_env.IN", "in 'task_args' only", "EWMS_TASK_INFILE"),
    ({"task_env": {"EWMS_TASK_OUTFILE": "x"}}, "tasks.0.task_env.EWMS_TASK_OUTFILE", "over this value", "another name"),
    ({"pilot": {"EWMS_PILOT_TASK_TIMEOUT": "10m"}}, f"{PILOT}EWMS_PILOT_TASK_TIMEOUT", "seconds", "digits only"),
    ({"pilot": {"EWMS_PILOT_TASK_TIMEOUT": "inf"}}, f"{PILOT}EWMS_PILOT_TASK_TIMEOUT", "seconds", "digits only"),
    ({"pilot": {"EWMS_PILOT_PREFETCH": "many"}}, f"{PILOT}EWMS_PILOT_PREFETCH", "a whole number", "digits only"),
    ({"pilot": {"EWMS_PILOT_HTCHIRP": "perhaps"}}, f"{PILOT}EWMS_PILOT_HTCHIRP", "True or False", "one of them"),
    ({"pilot": {"EWMS_PILOT_INFILE_EXT": ".j/n"}}, f"{PILOT}EWMS_PILOT_INFILE_EXT", "an extension", ".json"),
    ({"pilot": {"EWMS_PILOT_TASK_MODE": "streem"}}, f"{PILOT}EWMS_PILOT_TASK_MODE", "event, stream", "choose one"),
    ({"pilot": {"EWMS_PILOT_CL_LOG": "LOUD"}}, f"{PILOT}EWMS_PILOT_CL_LOG", "DEBUG, INFO", "choose one"),
    (
        {"pilot": {"_EWMS_PILOT_CONTAINER_PLATFORM": "apptanier"}},
        f"{PILOT}_EWMS_PILOT_CONTAINER_PLATFORM",
        "apptainer, bubblewrap",
        "choose one",
    ),
    (
        {"pilot": {"EWMS_PILOT_TASK_TIMEOT": "10"}},
        f"{PILOT}EWMS_PILOT_TASK_TIMEOT",
        "no pilot reads",
        "did you mean EWMS_PILOT_TASK_TIMEOUT?",
    ),
    (
        {"pilot": {"_EWMS_PILOT_PREFETCH": "2"}},
        f"{PILOT}_EWMS_PILOT_PREFETCH",
        "no pilot reads",
        "did you mean EWMS_PILOT_PREFETCH?",
    ),
    ({"pilot": {"ewms_pilot_prefetch": "2"}}, f"{PILOT}ewms_pilot_prefetch", "no pilot reads", "EWMS_PILOT_PREFETCH"),
    ({"pilot": {"EWMS_PILOT_QQQ": "1"}}, f"{PILOT}EWMS_PILOT_QQQ", "no pilot reads", "leave it out"),
    (
        {"pilot": {"EWMS_PILOT_APPTAINER": "/x"}},
        f"{PILOT}EWMS_PILOT_APPTAINER",
        "only the operator sets",
        "leave it out",
    ),
    ({"pilot": {"EWMS_PILOT_TASK_ID": "x"}}, f"{PILOT}EWMS_PILOT_TASK_ID", "that EWMS sets", "leave it out"),
    (
        {"pilot": {"EWMS_PILOT_QUARANTINE_TIME": 60, "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "no"}},
        f"{PILOT}EWMS_PILOT_QUARANTINE_TIME",
        "not allowed with",
        "leave one of them out",
    ),
    ({"pilot": {"EWMS_PILOT_TASK_MODE": "stream"}}, "tasks.0.task_args", "must not name {{INFILE}}", "standard input"),
    (
        {"pilot": {"EWMS_PILOT_TASK_MODE": "Stream"}, "task_args": "x", "input_queue_aliases": [], "public": ["out"]},
        f"{PILOT}EWMS_PILOT_TASK_MODE",
        "needs an input queue",
        "leave the mode out",
    ),
    (
        {"input_queue_aliases": ["inn"]},
        "tasks.0.input_queue_aliases",
        "uses the public queue 'in'",
        "did you mean 'in'?",
    ),
    ({"output_queue_aliases": ["outt"]}, "tasks.0.output_queue_aliases", "reads from the private queue", "mean 'out'?"),
    ({"public": ["in", "out", "inn"]}, "public_queue_aliases", "no task uses the public queue(s) inn", "in, out"),
    (
        {"input_queue_aliases": ["a\u2028b"], "public": ["a\u2028b", "out"]},
        "tasks.0.input_queue_aliases",
        "cannot be printed",
        "letters, digits",
    ),
    ({"worker": {"worker_memory": 512}}, "tasks.0.worker_config.worker_memory", "512 without a unit", "'512M'"),
    ({"worker": {"worker_disk": "10"}}, "tasks.0.worker_config.worker_disk", "10 without a unit", "'10G'"),
    ({"task_image": "none", "task_args": ""}, "tasks.0.task_args", "must be the command", "write the command line"),
    ({"init_args": "fetch"}, "tasks.0.init_args", "no effect without 'init_image'", "name the image"),
    ({"init_env": {"A": "1"}}, "tasks.0.init_env", "no effect without 'init_image'", "name the image"),
    ({"task_image": "none", "init_image": "none"}, "tasks.0.init_args", "must be the command", "write the command"),
    ({"pilot_config": {"input_files": ["a b"]}}, "tasks.0.pilot_config.input_files.0", "absolute", "rename the file"),
    ({"pilot_config": {"input_files": ["/a,b"]}}, "tasks.0.pilot_config.input_files.0", "absolute", "rename the file"),
]


@pytest.mark.parametrize(("changes", "where", "rule", "remedy"), WRONG)
def test_what_cannot_run_is_told_with_field_rule_and_remedy(
    changes: dict[str, Any], where: str, rule: str, remedy: str
) -> None:
    (found,) = find_complaints(request(**changes))
    assert found.where == where
    assert rule in found.rule
    assert remedy in found.remedy
    assert found.is_sure


#: What may be meant, and is told without a refusal.
ODD: list[tuple[dict[str, Any], str]] = [
    ({"public": ["out"]}, "no event can come into the queue 'in'"),
    ({"public": ["in"]}, "nothing can take events from the queue 'out'"),
    ({"pilot": {"EWMS_PILOT_TASK_TIMEOUT": 7200}}, "is 7200 s, and a worker lives at most 3600 s"),
    ({"pilot": {"EWMS_PILOT_INIT_TIMEOUT": "3601"}}, "is 3601 s, and a worker lives at most 3600 s"),
    ({"task_args": "cat {{INFILE}} | wc -l > {{OUTFILE}}"}, "| stays an argument of the program"),
    ({"task_args": "cat {{INFILE}} >{{OUTFILE}}"}, ">{{OUTFILE}} stays an argument"),
    ({"task_args": "cp $INFILE $OUTFILE"}, "$INFILE stays an argument of the program, because no shell reads"),
    ({"init_image": "i", "init_args": "sh -c 'a' 2> err"}, "2> stays an argument"),
]


@pytest.mark.parametrize(("changes", "rule"), ODD)
def test_what_is_odd_is_told_and_not_refused(changes: dict[str, Any], rule: str) -> None:
    (found,) = find_complaints(request(**changes))
    assert rule in str(found)
    assert not found.is_sure


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"task_args": "sh -c 'cat {{INFILE}} > {{OUT_FILE}}; ls {{DATAHUB}}'"},
        {"task_args": "render --template '{{.Name}} {{ page.title }} {x} {{}}' {{INFILE}}"},
        {"task_args": "awk '{print $1}' {{INFILE}}"},
        {"task_args": "run {infile}"},
        {"task_args": "sh -c 'cat $1 | wc -l > $2' sh {{INFILE}} {{OUTFILE}}"},
        {"task_args": 'find "$x" \\; a;b <none> 5$ x>y'},
        {"task_image": "none"},
        {"task_image": "None", "init_image": "none", "init_args": "get {{DATA_HUB}}/x"},
        {"pilot": {"EWMS_PILOT_TASK_TIMEOUT": 600, "EWMS_PILOT_OKAY_ERRORS": ["A", "B"], "OTHER": "x"}},
        {"pilot": {"EWMS_PILOT_TASK_TIMEOUT": "", "EWMS_PILOT_QUARANTINE_TIME": "60"}},
        {"pilot": {"EWMS_PILOT_TASK_MODE": "stream"}, "task_args": "serve {{DATA_HUB}}"},
        {"pilot": {"EWMS_PILOT_PAYLOAD_ARGUMENT": "True", "EWMS_PILOT_SECRETS": ["db-password", "key"]}},
        {"worker": {"worker_memory": 512 * 1024**2, "worker_disk": "1.5 GB"}},
        {"pilot_config": {"input_files": ["/data/geometry.gz"]}},
        {"task_env": {"TEMPLATE": "{{.Name}}"}},
    ],
)
def test_a_right_request_has_nothing_told(changes: dict[str, Any]) -> None:
    assert told(find_complaints(request(**changes))) == []


@given(st.text(alphabet="ab '\"\\\n$", max_size=12))
def test_arguments_are_wrong_if_and_only_if_the_pilot_cannot_split_them(arguments: str) -> None:
    try:
        shlex.split(arguments)
        splits = True
    except ValueError:
        splits = False
    said = [
        complaint for complaint in find_complaints(request(task_args=arguments)) if "does not split" in complaint.rule
    ]
    assert bool(said) != splits


@pytest.mark.parametrize(
    ("arguments", "splits"), [("'", False), ('a "b', False), ("a\\", False), ("''\"\\\"\"\\'", True)]
)
def test_quotation_marks_are_counted_alike_by_every_python(arguments: str, splits: bool) -> None:
    # Python 3.11.2 finds no fault in the first two with possessive quantifiers.
    assert (find_complaints(request(task_args=arguments)) == []) is splits


def test_a_hostile_request_is_looked_at_in_no_time() -> None:
    names = {f"EWMS_PILOT_{n:0200}": "1" for n in range(2000)}
    found = find_complaints(request(pilot=names, task_args="{{QWERT}} '\\" + "\\'" * 6000))
    assert len(found) == len(names)


@pytest.mark.parametrize(
    ("arguments", "image", "is_odd"),
    [
        ("python3 /tmp/job.py {{INFILE}}", "none", True),
        ("sh -c 'cat /tmp/lib.txt $1' sh {{INFILE}}", "none", True),
        ("python3 /data/tmp/job.py {{INFILE}}", "none", False),
        # An image may have a /tmp with files.
        ("python3 /tmp/job.py {{INFILE}}", "/cvmfs/image", False),
    ],
)
def test_without_an_image_a_path_in_tmp_is_odd_and_no_sure_fault(arguments: str, image: str, is_odd: bool) -> None:
    found = find_complaints(
        request(
            task_args=arguments,
            task_image=image,
            pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"} if image == "none" else {},
        )
    )
    assert [(one.where, one.is_sure) for one in found] == ([("tasks.0.task_args", False)] if is_odd else [])
