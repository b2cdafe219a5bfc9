import asyncio

import httpx2
import pytest
from starlette.applications import Starlette

from runtime.telemetry import counter
from runtime.web.health import Check, health_routes
from schemas.errors import Unavailable

_seen = counter("test_things_total", "Things that the tests of health have counted.", ["kind"])


async def asked(path: str, **checks: Check) -> httpx2.Response:
    app = Starlette(routes=health_routes(checks))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as http:
        return await http.get(path)


async def well() -> None:
    return None


async def away() -> None:
    raise Unavailable("the broker is away")


async def silent() -> None:
    await asyncio.Event().wait()


async def test_a_process_lives_while_it_answers_whatever_is_away() -> None:
    assert (await asked("/healthz", broker=away)).status_code == 200


async def test_it_is_ready_when_every_dependency_answers() -> None:
    answer = await asked("/readyz", broker=well, mongodb=well)
    assert (answer.status_code, answer.json()) == (200, {"broker": "ok", "mongodb": "ok"})


async def test_what_is_missing_is_named_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.web.health._PATIENCE_S", 0.05)
    answer = await asked("/readyz", broker=away, mongodb=well, pool=silent)
    assert answer.status_code == 503
    assert answer.json() == {"broker": "the broker is away", "mongodb": "ok", "pool": "no answer within 0.05 s"}


async def test_metrics_are_in_prometheus_text_under_our_prefix() -> None:
    _seen.labels("good").inc()
    answer = await asked("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'ewms_test_things_total{kind="good"} 1.0' in answer.text


async def test_metrics_say_which_dependency_answers() -> None:
    answer = await asked("/metrics", broker=away, mongodb=well)
    assert 'ewms_dependency_up{dependency="broker"} 0.0' in answer.text
    assert 'ewms_dependency_up{dependency="mongodb"} 1.0' in answer.text
