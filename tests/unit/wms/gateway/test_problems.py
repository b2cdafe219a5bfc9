"""The answer to a request that the contract takes says what is wrong with it all the same."""

from types import SimpleNamespace
from typing import Any

from tests.unit.schemas.test_runnable import request
from wms.gateway.problems import HINT_HEADER
from wms.gateway.routes.workflows import Workflows


class TakesAll:
    async def submit(self, *_: object) -> dict[str, Any]:
        return {}


async def hint(**changes: Any) -> str | None:
    caller = SimpleNamespace(owner=None)
    call: Any = SimpleNamespace(body=request(**changes), caller=caller, once=None)
    absent: Any = None
    fleet: Any = TakesAll()
    return (await Workflows(fleet, absent).request(call)).headers.get(HINT_HEADER)


async def test_a_right_request_has_no_hint() -> None:
    assert await hint() is None


async def test_all_that_is_wrong_stands_in_the_hint() -> None:
    told = await hint(task_args="echo '{{INFIEL}}", pilot={"EWMS_PILOT_TASK_TIMEOUT": "10m"}, public=["in"])
    assert told is not None
    for word in ("close the quotation mark", "did you mean {{INFILE}}?", "EWMS_PILOT_TASK_TIMEOUT", "queue 'out'"):
        assert word in told
