"""Tokens are renewed while a cluster is in the queue, and not a moment longer; running pilots get them too."""

import json
import sys
from datetime import timedelta
from pathlib import Path

from schemas.events import TaskforceCompleted, TaskforceRemoved, TaskforceStop, TaskforceSubmitted
from tests.integration.tms.conftest import SCHEDD, Peers, renewed
from tests.integration.tms.process import TmsProcess
from tests.integration.tms.test_story import start
from tests.unit.tms.orders import UUID
from tests.waiting import eventually

RENEWING = Path(__file__).with_name("renewing.py")


def token_of(environment: dict[str, str]) -> Path:
    return Path(environment["EWMS_TMS_DIR"]) / "taskforces" / UUID / "ewms_pilot_token"


async def test_a_running_pilot_gets_the_renewed_token_and_changes_nothing_of_its_job(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    environment["EWMS_PILOT_COMMAND"] = json.dumps([sys.executable, str(RENEWING)])
    peers.token_life = timedelta(seconds=8)
    await tms.start()
    await peers.order(start(n_workers=1))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    (word,) = peers.statuses(UUID)["COMPLETED"]
    mode, n_renewals, *changed = word.split()
    assert mode == "600"
    assert int(n_renewals) >= 1
    assert changed == [], "a job could be another than the one that was submitted"


async def test_the_token_of_a_waiting_taskforce_is_renewed_until_it_is_stopped(
    tms: TmsProcess, peers: Peers, environment: dict[str, str]
) -> None:
    peers.answers = False
    peers.token_life = timedelta(seconds=2)
    await tms.start()
    await peers.order(start())
    await eventually(lambda: len(peers.grants) >= 3)
    token = token_of(environment)
    await eventually(lambda: token.read_text() == renewed(len(peers.grants) - 1))
    assert token.stat().st_mode & 0o777 == 0o600
    assert {grant.model_dump_json() for grant in peers.grants} == {peers.grants[0].model_dump_json()}
    (submitted,) = peers.said(TaskforceSubmitted, UUID)
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=submitted.cluster_id))
    await eventually(lambda: peers.said(TaskforceRemoved, UUID))
    await eventually(lambda: not token.exists())
    n_grants = len(peers.grants)
    await peers.order(start(taskforce_uuid=UUID[:-1] + "5"))
    await eventually(lambda: sum(grant.taskforce_uuid != UUID for grant in peers.grants) >= 3)
    assert sum(grant.taskforce_uuid == UUID for grant in peers.grants) == n_grants
    assert not token.exists()


async def test_a_restarted_tms_goes_on_renewing_and_outlasts_an_absent_mqs(
    tms: TmsProcess, peers: Peers, environment: dict[str, str]
) -> None:
    peers.answers = False
    peers.token_life = timedelta(seconds=4)
    await tms.start()
    await peers.order(start())
    await eventually(lambda: peers.said(TaskforceSubmitted, UUID))
    await tms.stop()
    n_grants = len(peers.grants)
    peers.mqs_is_away = True
    await tms.start()
    await eventually(lambda: tms.lines("token cannot be renewed yet"))
    peers.mqs_is_away = False
    await eventually(lambda: len(peers.grants) > n_grants)
    await eventually(lambda: token_of(environment).read_text() == renewed(len(peers.grants) - 1))
