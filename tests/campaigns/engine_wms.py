"""WMS as a process of its own, to be struck: `python -m tests.campaigns.engine_wms`.

It takes commands from its standard input, a line of JSON each, and prints what became of each, as a line:

    {"number": 1, "do": "launch", "name": "walk", "uuid": "...", "state": {}, "begins": true}   answer 1: launched 7
    {"number": 2, "do": "event", "name": "delivered", "correlation": "12", "id": "..."}         answer 2: kept 1
    {"number": 3, "do": "cancel", "run": 7}                                             answer 3: refused Conflict

A command may be given again after the process was killed: none of them does its work twice.
"""

import asyncio
import json
import os
import sys
from typing import Any

from pydantic import SecretStr

from runtime.clock import stored_now, utc_now
from runtime.telemetry import configure_logging
from schemas.engine.run_documents import InputDocument
from schemas.engine.runs import WaitAnswer, WantKind
from schemas.errors import EWMSError
from wms.app import Wms, run_wms
from wms.engine.life.launching import LaunchWish
from wms.engine.life.stimuli import Begin, CallbackProgress, PutState, Resume, Wish, WriteNote
from wms.engine.repository import INPUT_LIFE
from wms.settings import WmsSettings
from wms.tenancy.rights import Principal, TenancyRole

#: Who decides approvals.
_ADA = Principal("ada", system_roles=frozenset({TenancyRole.SUPERUSER}))


async def obey(wms: Wms, command: dict[str, Any]) -> str:
    """Carry out a command; return what became of it."""
    engine, now = wms.engine, utc_now()
    match command:
        case {"do": "launch", "name": name, "uuid": uuid, "state": state, "begins": begins}:
            wish = LaunchWish(who="ada", state=state)
            run = await engine.launch_run(name, wish, run_uuid=uuid, begins=begins)
            return f"launched {run.id}"
        case {"do": "put", "run": run_id, "values": values}:
            await engine.apply_stimulus(run_id, PutState(values, "ada"))
            return "put"
        case {"do": "begin", "run": run_id}:
            await engine.apply_stimulus(run_id, Begin("ada"))
            return "begun"
        case {"do": "event", "name": name, "correlation": correlation, "id": event_id}:
            given = InputDocument(
                id=event_id, name=name, correlation=correlation, body={"x": 1}, at=now, expires_at=now + INPUT_LIFE
            )
            return f"kept {await wms.inputs.take_event(given)}"
        case {"do": "answer", "run": run_id, "node": node, "token": token}:
            answer = WaitAnswer(id=f"{run_id}/{node}", body={"ok": True}, at=stored_now())
            return f"answered {await engine.answer_wait(run_id, node, answer, token=token)}"
        case {"do": "progress", "run": run_id, "node": node, "token": token, "progress": progress}:
            refusal = await engine.apply_stimulus(run_id, CallbackProgress(node, token, progress))
            return f"noted {refusal}"
        case {"do": "note", "run": run_id, "note": note}:
            await engine.apply_stimulus(run_id, WriteNote(note, "ada"))
            return "noted"
        case {"do": "resume", "run": run_id}:
            await engine.apply_stimulus(run_id, Resume(who="ada"))
            return "resumed"
        case {"do": "approve", "run": run_id}:
            await wms.trees.runs.decide_approval(_ADA, run_id, is_approved=True)
            return "answered approved"
        case {"do": "cancel", "run": run_id}:
            await engine.apply_stimulus(run_id, Wish(WantKind.CANCEL, "ada", "the campaign asks for it"))
            return "canceled"
        case _:
            raise AssertionError(command)


async def _obey_or_refuse(wms: Wms, command: dict[str, Any]) -> str:
    try:
        return await obey(wms, command)
    except EWMSError as error:
        return f"refused {type(error).__name__} {error.reason}"


async def main() -> None:
    """Serve until the standard input ends."""
    configure_logging(service="wms")
    settings = WmsSettings(
        mongo_url=SecretStr(os.environ["TEST_MONGO_URL"]),
        mongo_database=os.environ["TEST_DATABASE"],
        control_amqp_url=SecretStr(os.environ["TEST_AMQP_URL"]),
        step_worker_silence_s=2.0,
        gateway_port=0,
        auth="off",
        mqs_url="http://127.0.0.1:9",
        pilot_tag="1.2.3",
        notifications_to_local_hosts=True,
        notification_timeout_s=3.0,
    )
    async with run_wms(settings) as wms:
        print("up", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            print(f"answer {command.pop('number')}: {await _obey_or_refuse(wms, command)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
