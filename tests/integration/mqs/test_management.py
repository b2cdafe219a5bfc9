"""The client of the management API against something that answers in its place."""

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mqs.broker.management import Management
from runtime.web.server.serving import serve_app
from schemas.errors import EWMSError, Rejected, Unavailable


@pytest.fixture
async def between() -> AsyncIterator[str]:
    """A proxy in front of nothing: a page for the overview, errors for the rest by the name of the vhost."""

    async def page(_: Request) -> Response:
        return PlainTextResponse("<html>we will be back</html>")

    async def code(request: Request) -> Response:
        return PlainTextResponse("no", status_code=int(request.path_params["vhost"]))

    app = Starlette(
        routes=[Route("/api/overview", page), Route("/api/queues/page", page), Route("/api/queues/{vhost}", code)]
    )
    async with serve_app(app, host="127.0.0.1", port=0) as url:
        yield url


async def test_an_answer_that_is_no_json_is_a_service_that_is_away(between: str) -> None:
    api = Management(between, vhost="page")
    try:
        with pytest.raises(Unavailable, match="did not answer with JSON"):
            await api.read_version()
        with pytest.raises(Unavailable, match="did not answer with JSON"):
            await api.read_totals()
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("vhost", "error"), [("502", Unavailable), ("503", Unavailable), ("400", Rejected), ("401", Rejected)]
)
async def test_who_has_to_act_on_an_error_is_told_by_its_status(
    between: str, vhost: str, error: type[EWMSError]
) -> None:
    api = Management(between, vhost=vhost)
    try:
        with pytest.raises(error, match=vhost):
            await api.read_totals()
    finally:
        await api.close()


async def test_nobody_there_is_a_service_that_is_away() -> None:
    async with serve_app(Starlette(), host="127.0.0.1", port=0) as url:
        pass
    api = Management(url, vhost="ewms")
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await api.read_totals()
    finally:
        await api.close()
