"""What a TMS must keep to itself stays with it."""

from datetime import timedelta
from pathlib import Path

import htcondor2
from yarl import URL

from schemas.events import (
    TaskforceCompleted,
    TaskforceSubmitFailed,
)
from schemas.pilot.pilot_wire import write_program_secret
from schemas.questions.worker_logs import LogAnswer, LogQuery, LogsAnswer, LogsQuery, LogStream
from schemas.rules.secret_names import PROGRAM_SECRET
from tests.integration.tms.conftest import TOKEN, Peers
from tests.integration.tms.process import TmsProcess
from tests.integration.tms.test_story import command, start
from tests.live_files import walk_live
from tests.unit.tms.orders import UUID
from tests.waiting import eventually


async def test_secrets_of_the_tms_are_nowhere(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str, tmp_path: Path
) -> None:
    canary = "canary-4c7b1f"
    environment["EWMS_CANARY_SECRET"] = canary
    password = URL(environment["EWMS_CONTROL_AMQP_URL"]).password
    assert password
    peers.token_life = timedelta(seconds=4)
    # C33: the task's own secret reaches the worker, and nothing else.
    peers.secrets = {"db-password": "S3cret-9d02aa", PROGRAM_SECRET: write_program_secret({"task_args": "S3cret-b1"})}
    go_on = tmp_path / "go on"
    environment["EWMS_PILOT_COMMAND"] = command(environment, str(go_on), "3")
    hostile = "$ENV(EWMS_CANARY_SECRET) $(EWMS_CANARY_SECRET) {{INFILE}}\nexecutable=/bin/evil"
    await tms.start()
    # A control character in an image's name is refused by itself.
    task = {"task_args": hostile, "task_image": hostile.replace("\n", " "), "task_env": {"X": hostile}}
    told = {"EWMS_PILOT_INFILE_EXT": hostile, "EWMS_PILOT_SECRETS": ["db-password", PROGRAM_SECRET]}
    await peers.order(start(task=task, pilot={"environment": told}))
    await eventually(lambda: "RUNNING" in peers.statuses(UUID))
    # Neither what would expand it in a submit description nor a pilot has it in its environment.
    environments = tms.environments()
    assert any(("tms.pools.bindings" if pool_kind == "condor" else "worker.py") in name for name in environments)
    for name, inherited in environments.items():
        assert canary.encode() not in inherited, name
        assert password.encode() not in inherited, name
    ads = ""
    if pool_kind == "condor":
        schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
        ads = "".join(map(str, schedd.query("true", opts=htcondor2.QueryOpts.IncludeClusterAd)))
        assert UUID in ads
        assert TOKEN not in ads
        assert "S3cret" not in ads
    assert canary not in ads
    await eventually(lambda: len(peers.grants) > 1)  # the token is renewed while the pilots live
    go_on.touch()
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    if pool_kind == "condor":
        ads = "".join(map(str, schedd.history("true", [], match=100)))
        assert UUID in ads
        assert canary not in ads
        assert TOKEN not in ads
        assert "S3cret" not in ads
    # A text that is refused comes back in the error; what it would have been expanded to must not.
    refused = f"{UUID[:-1]}0"
    await peers.order(start(taskforce_uuid=refused, pilot={"input_files": ["/srv/$ENV(EWMS_CANARY_SECRET)"]}))
    await eventually(lambda: peers.said(TaskforceSubmitFailed, refused))
    logs = await peers.ask(LogsQuery(taskforce_uuid=UUID))
    assert isinstance(logs, LogsAnswer)
    assert logs.files
    written = b""
    for file in logs.files:
        proc, stream = file.name.split(".")
        log = await peers.ask(LogQuery(taskforce_uuid=UUID, proc=int(proc), stream=LogStream(stream)))
        assert isinstance(log, LogAnswer)
        assert canary.encode() not in log.data
        written += log.data
    assert b"secrets ['db-password', 'ewms:program'] of mode 600" in written
    assert [query.names for query in peers.secret_queries] == [("db-password", PROGRAM_SECRET)]
    everything = "".join(event.model_dump_json() for event in peers.heard)
    files = [path for path in walk_live(tmp_path) if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for secret in (canary, TOKEN, password, "S3cret"):
            assert secret.encode() not in content, path
    for secret in (canary, TOKEN, password, "S3cret"):
        assert secret not in everything


async def test_an_order_whose_hidden_texts_nobody_can_ask_for_is_refused(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await peers.order(start(task={"task_args": "load $encrypted$", "sealed_texts": "fernet-json:x"}))
    await eventually(lambda: peers.said(TaskforceSubmitFailed, UUID))
    (failed,) = peers.said(TaskforceSubmitFailed, UUID)
    assert "the order has masks in place of the task's passwords" in failed.error
    assert peers.grants == []
