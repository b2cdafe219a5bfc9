"""The frame around every request: the request id, the caller's trace, the time, and an answer for every error."""

import re
import time
import uuid
from typing import Any
from urllib.parse import quote

from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runtime import tracing
from runtime.telemetry import counter, histogram, log
from runtime.web import bodies
from runtime.web.answers.compression import compress_answer
from runtime.web.answers.etags import add_etag
from runtime.web.answers.problems import answer_code, answer_error
from runtime.web.callers.limits import OverLimit
from runtime.web.callers.turns import Overloaded
from runtime.web.dialects import Dialect
from runtime.web.route import Endpoint
from schemas.errors import Broken, EWMSError, Forbidden, OverQuota, Rejected, TooLarge, Unauthenticated

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_seconds = histogram("http_request_seconds", "Time to answer, by route and status.", ["method", "path", "code"])
_refused = counter("http_refused_total", "Requests refused before they were carried out, by the reason.", ["reason"])

#: The first class that fits an error names the reason.
_REFUSALS: tuple[tuple[type[EWMSError], str], ...] = (
    (Unauthenticated, "token"),
    (Forbidden, "rights"),
    (OverLimit, "rate"),
    (OverQuota, "quota"),
    (Overloaded, "load"),
    (TooLarge, "size"),
    (bodies.BodyLate, "slow-body"),
)


def wrap_endpoint(path: str, endpoint: Endpoint, dialect: Dialect) -> Endpoint:
    """Return `endpoint` in a frame that adds a request id and the caller's trace, answers errors and takes the time.

    `path` is the name of the path in metrics.
    """

    async def framed(request: Request) -> Response:
        began_at = time.perf_counter()
        request_id = _choose_request_id(request)
        parent, name = request.headers.get("traceparent"), f"{request.method} {path}"
        with tracing.continue_trace(parent, name, kind=SpanKind.SERVER):
            response = await _answer_request(request, request_id, endpoint, dialect)
            tracing.note_status(response.status_code)
        response.headers[REQUEST_ID_HEADER] = request_id
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.update(dialect.headers)
        # A stream has no bytes yet.
        is_whole = not isinstance(response, StreamingResponse)
        if request.method in ("GET", "HEAD") and response.status_code == 200 and is_whole:
            response = add_etag(response, request.headers.get("if-none-match", ""))
            response = await compress_answer(response, request.headers.get("accept-encoding", ""))
        _seconds.labels(request.method, path, str(response.status_code)).observe(time.perf_counter() - began_at)
        return response

    return framed


async def _answer_request(request: Request, request_id: str, endpoint: Endpoint, dialect: Dialect) -> Response:
    try:
        return await endpoint(request)
    except EWMSError as error:
        if (reason := next((reason for kind, reason in _REFUSALS if isinstance(error, kind)), None)) is not None:
            _refused.labels(reason).inc()
        if error.code >= 500 and not isinstance(error, Rejected):
            log.warning(
                "request failed", request_id=request_id, path=request.url.path, code=error.code, reason=error.reason
            )
        if isinstance(error, Unauthenticated) and dialect.challenge:
            headers = {"WWW-Authenticate": dialect.challenge}
            return answer_code(401, error.reason, headers, describe=dialect.describe_error, error=error)
        response = answer_error(error, dialect.describe_error)
        if isinstance(error, TooLarge | OverLimit | Overloaded | bodies.BodyLate):
            # The rest of the body is still on its way. Close the connection to stop it.
            response.headers["Connection"] = "close"
        return response
    except Exception as error:  # noqa: BLE001 - after any defect, the caller gets JSON and no traceback
        log.error("request failed", request_id=request_id, path=request.url.path, error=repr(error), exc_info=True)
        return answer_error(Broken("internal error"), dialect.describe_error)


async def redirect_to_slash(request: Request) -> Response:
    """Return the redirect to the same path with a slash at its end, and with the same query."""
    query = f"?{request.url.query}" if request.url.query else ""
    # Only a path: an address made of the Host header would lead where a stranger wants.
    return Response(status_code=301, headers={"Location": f"{quote(request.url.path)}/{query}"})


def answer_unrouted(request: Request, error: Any, dialect: Dialect) -> Response:
    """Return the answer to a request that no route takes: 404 or 405, as JSON in the form of the dialect."""
    response = answer_code(
        error.status_code,
        str(error.detail),
        {**(error.headers or {}), **dialect.headers},
        describe=dialect.describe_error,
    )
    response.headers[REQUEST_ID_HEADER] = _choose_request_id(request)
    return response


def _choose_request_id(request: Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
