"""Count and measure the calls of the dialect's handlers, under the names that its users' dashboards know."""

import time

from starlette.responses import Response

from runtime.telemetry import counter, histogram
from runtime.web.answers.problems import answer_error
from runtime.web.route import Call, Handler
from schemas.errors import EWMSError
from wms.gateway.tiuni.dialect import describe_failure

_LABELS = ("service", "handler", "method", "code")
_SERVICE = "wms"
_SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)

_requests = counter("http_requests_total", "Calls of a handler, by status code.", _LABELS)
_seconds = histogram("http_request_duration_seconds", "Time that a handler took.", _LABELS)
_request_bytes = histogram("http_request_size_bytes", "Bytes of a request's body.", _LABELS, _SIZES)
_response_bytes = histogram("http_response_size_bytes", "Bytes of an answer's body.", _LABELS, _SIZES)


def measure_handler(name: str, handler: Handler) -> Handler:
    """Return `handler`, whose calls count under `name`, such as `workflow/query`."""

    async def measured(call: Call) -> Response:
        began_at = time.perf_counter()
        try:
            response = await handler(call)
        except EWMSError as error:
            refusal = answer_error(error, describe_failure)
            _note_call(name, call, refusal.status_code, len(refusal.body), began_at)
            raise
        except Exception:
            _note_call(name, call, 500, 0, began_at)
            raise
        _note_call(name, call, response.status_code, len(response.body), began_at)
        return response

    return measured


def _note_call(name: str, call: Call, code: int, n_bytes: int, began_at: float) -> None:
    labels = (_SERVICE, name, call.request.method, str(code))
    _requests.labels(*labels).inc()
    _seconds.labels(*labels).observe(time.perf_counter() - began_at)
    _request_bytes.labels(*labels).observe(len(call.raw_body))
    _response_bytes.labels(*labels).observe(n_bytes)
