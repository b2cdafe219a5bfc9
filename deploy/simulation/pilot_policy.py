"""Make the policy of a simulated pilot, on the way of a real one: TMS's variables, the pilot's settings, its policy."""

from dataclasses import replace
from datetime import UTC, datetime

from pydantic import SecretStr

from pilot.errors import SettingsInvalid
from pilot.life.state import Policy, derive_policy
from pilot.settings import read_settings
from schemas.errors import Rejected
from schemas.events import TaskforceStart
from schemas.events.wms import TaskOrder
from schemas.fleet.objects import TaskDirective, Taskforce
from schemas.pilot.options import Platform
from schemas.questions.queues import GrantAnswer
from tms.errors import Unsubmittable
from tms.jobs.pilot_files import PilotProfile, pilot_environment

#: A past task has passed the real operator's checks.
_ANY_PLACE = PilotProfile(allowed_platforms=frozenset(Platform), external_roots=("/",))


def make_policy(task: TaskDirective, taskforce: Taskforce, *, n_slots: int) -> Policy:
    """Return the policy of the pilots of `taskforce`. `n_slots` is how many events a pilot takes at once.

    The simulation counts an init container as a part of the start, so the policy has none.

    Raises:
        Rejected: today's pilot refuses the settings of the past.
    """
    order = TaskforceStart(
        taskforce_uuid=taskforce.taskforce_uuid,
        schedd=taskforce.schedd,
        workflow_id=taskforce.workflow_id,
        priority=taskforce.priority,
        n_workers=1,
        worker_config=taskforce.worker_config,
        pilot_config=taskforce.pilot_config,
        task=TaskOrder.model_validate(task.model_dump()),
    )
    grant = GrantAnswer(
        token=SecretStr("simulated"),
        expires_at=datetime.max.replace(tzinfo=UTC),
        broker_type="rabbitmq",
        broker_address="simulated",
    )
    try:
        settings = read_settings(pilot_environment(order, grant, _ANY_PLACE, token_source=""), directory="/")
    except (SettingsInvalid, Unsubmittable) as error:
        raise Rejected(
            f"task {task.task_id}: a pilot of this version refuses the settings of the past run: {error}",
            hint="simulate with the version of EWMS that ran the workflow",
        ) from error
    return replace(derive_policy(settings), has_init=False, concurrency=n_slots)
