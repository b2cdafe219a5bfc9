"""A start order as WMS sends it, to be varied by the tests."""

from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from schemas.events import TaskforceStart
from schemas.ids import TaskforceUuid
from schemas.questions.queues import GrantAnswer
from tms.jobs.submit_description import PoolProfile, Submission, build_submission

UUID = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")
DIRECTORY = f"/srv/tms/taskforces/{UUID}"
PLAIN = PoolProfile(pilot_command=("/opt/ewms/bin/python", "-m", "pilot"))
GRANT = GrantAnswer(
    token=SecretStr("eyJ.canary.token"),
    expires_at=datetime(2026, 11, 22, tzinfo=UTC),
    broker_type="rabbitmq",
    broker_address="user@broker.example.org:5672/ewms",
)


def order(**changes: Any) -> TaskforceStart:
    """Return an order; `worker`, `pilot` and `task` change parts of it, other names the order itself."""
    worker = {
        "do_transfer_worker_stdouterr": True,
        "max_worker_runtime": 7200,
        "n_cores": 1,
        "priority": 50,
        "worker_disk": "2G",
        "worker_memory": 536870912,
        "condor_requirements": "",
        **changes.pop("worker", {}),
    }
    task = {
        "task_id": "TK-6b00e09f-926a610b-485d2fc0",
        "task_image": "/cvmfs/x/reco:2.0",
        "task_args": "reco --in {{INFILE}}",
        "task_env": {},
        "init_image": "",
        "init_args": "",
        "init_env": {},
        "input_queues": ["a0000000000000000000a", "a0000000000000000000b"],
        "output_queues": ["a0000000000000000000c"],
        **changes.pop("task", {}),
    }
    return TaskforceStart.model_validate(
        {
            "taskforce_uuid": UUID,
            "schedd": "ewms@localhost",
            "workflow_id": "WF-6b00e09f-926a610b",
            "priority": 50,
            "n_workers": 40,
            "worker_config": worker,
            "pilot_config": changes.pop("pilot", {}),
            "task": task,
            **changes,
        }
    )


def built(pool: PoolProfile = PLAIN, input_files: tuple[str, ...] = (), **changes: Any) -> Submission:
    """Return the submission of an order."""
    files = (f"{DIRECTORY}/ewms_pilot_task.json", f"{DIRECTORY}/ewms_pilot_token")
    return build_submission(order(**changes), pool, directory=DIRECTORY, pilot_files=files, input_files=input_files)
