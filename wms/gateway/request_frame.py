"""The frame around every request: its id, its caller's trace, its time, and an answer for every error."""

import re
import time
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runtime import tracing
from runtime.telemetry import histogram, log
from schemas.errors import Broken, EWMSError, TooLarge
from wms.gateway import bodies
from wms.gateway.caller_limits import OverLimit
from wms.gateway.caller_turns import Overloaded
from wms.gateway.etags import add_etag
from wms.gateway.problems import answer_code, answer_error
from wms.gateway.route import Endpoint

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_seconds = histogram("http_request_seconds", "Time to answer, by route and status.", ["method", "path", "code"])


def wrap_endpoint(path: str, endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with a request id and the caller's trace. It answers errors and measures the time."""

    async def met(request: Request) -> Response:
        began_at = time.perf_counter()
        request_id = _choose_request_id(request)
        with tracing.continue_trace(request.headers.get("traceparent")):
            response = await _answer_request(request, request_id, endpoint)
        response.headers[REQUEST_ID_HEADER] = request_id
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method in ("GET", "HEAD") and response.status_code == 200:
            response = add_etag(response, request.headers.get("if-none-match", ""))
        _seconds.labels(request.method, path, str(response.status_code)).observe(time.perf_counter() - began_at)
        return response

    return met


async def _answer_request(request: Request, request_id: str, endpoint: Endpoint) -> Response:
    try:
        return await endpoint(request)
    except EWMSError as error:
        if error.code >= 500:
            log.warning(
                "request failed", request_id=request_id, path=request.url.path, code=error.code, reason=error.reason
            )
        response = answer_error(error)
        if isinstance(error, TooLarge | OverLimit | Overloaded | bodies.BodyLate):
            # The rest of the body is still on its way. Close the connection to stop it.
            response.headers["Connection"] = "close"
        return response
    except Exception as error:  # noqa: BLE001 - after any defect, the caller gets JSON and no traceback
        log.error("request failed", request_id=request_id, path=request.url.path, error=repr(error), exc_info=True)
        return answer_error(Broken("internal error"))


async def answer_unrouted(request: Request, error: Any) -> Response:
    """Answer a request that no route takes: 404 or 405, as JSON like every other answer."""
    response = answer_code(error.status_code, str(error.detail), error.headers)
    response.headers[REQUEST_ID_HEADER] = _choose_request_id(request)
    return response


def _choose_request_id(request: Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
