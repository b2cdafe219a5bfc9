"""Call the gateway over HTTP: JSON in and out, errors as exceptions. Repeat a call where that is safe.

Every POST has an `Idempotency-Key`. The key stays the same when the call is repeated, so a lost answer makes no second
workflow.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Self

import httpx2

from ewms.errors import NotSignedIn, ServerAnswer, ServerDown, Unreachable, error_from_answer
from ewms.gateway.caller_trace import find_caller_trace
from ewms.gateway.event_reader import StreamedEvent, read_events
from ewms.gateway.login_renewal import is_due, load_latest_login, renew_if_due
from ewms.gateway.reach import http_client
from ewms.gateway.retries import CAP_S, PASSING, retry_pause_s
from ewms.gateway.server import Server
from ewms.gateway.token_claims import find_token_fault
from runtime.hosts.certificates import explain_distrust
from schemas.errors import Forbidden, Rejected, Unauthenticated

PREFIX = "/v1"

#: Headers of the server's answers that add to the contract's `{code, error}`.
REQUEST_ID = "X-Request-ID"
HINT = "X-EWMS-Hint"


#: The longest pause (seconds) after a refused connection: trying costs little, and we want to notice a restart soon.
_REFUSED_CAP_S = 1.0

_NO_JSON = "the server answered {} {}"


class Gateway:
    """One user's connection to the gateway. Create it inside the event loop that uses it, and close it.

    Its calls are repeated while they may still succeed and time is left. They raise Rejected if JSON cannot hold the
    body, Unreachable if nothing answered, and for an error of the server Refused, NotSignedIn, NotThere, AlreadyThere,
    ServerDown or ServerFailed.
    """

    def __init__(self, server: Server, *, timeout_s: float = 30.0, prefix: str = PREFIX) -> None:
        """Paths are below `prefix`, the prefix of our own dialect or of another dialect."""
        self._server = server
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._has_answered = False
        self._renewing = asyncio.Lock()
        #: Objects with connections of their own that `close` also closes: loops over results whose body has raised.
        self.opened: list[AbstractAsyncContextManager[Any]] = []
        self._client = http_client(
            server.gateway, base_url=server.gateway, timeout=timeout_s, headers={"Accept": "application/json"}
        )

    @property
    def address(self) -> str:
        """Return the gateway's address, such as "http://127.0.0.1:8080"."""
        return self._server.gateway

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the objects in `opened`, then the connections to the gateway."""
        opened, self.opened = self.opened, []
        # An error left these objects open, and the user should see that error. So ignore the errors of closing.
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in opened), return_exceptions=True)
        await self._client.aclose()

    async def get_json(self, path: str) -> Any:
        """Send a GET request to `path` (below the prefix), and return the JSON answer."""
        return self._parse_json(await self._call_with_retries("GET", path, None))

    async def get_bytes(self, path: str) -> tuple[bytes, Mapping[str, str]]:
        """Send a GET request to `path` (below the prefix). Return the body and the headers of the answer."""
        answer = await self._call_with_retries("GET", path, None)
        return answer.content, answer.headers

    async def get_without_token(self, path: str) -> tuple[int, dict[str, Any]]:
        """Send a GET request without a token to `path`, which is outside of the API, such as `/readyz`. Return status
        and JSON object.

        This call is not repeated.

        Raises:
            Unreachable: nothing answered.
            ServerDown: the answer is not a gateway's.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.get(path)
        except TimeoutError as error:
            raise Unreachable(f"{self._server.gateway} did not answer within {self._timeout_s:g} s") from error
        except httpx2.HTTPError as error:
            raise self._make_unreachable(error) from error
        content = self._parse_json(answer)
        if not isinstance(content, dict):
            raise ServerDown(f"{answer.url} is not a path of an EWMS gateway", hint="is this an EWMS gateway?")
        return answer.status_code, content

    async def post_json(self, path: str, body: Any, *, key: str = "") -> Any:
        """Send a POST request with `body` as JSON to `path` (below the prefix), and return the JSON answer.

        A later call with the same `key` and `body` gets the same answer and makes nothing; without a key, each call is
        another one. Return None if the answer is a 204, which has no body.
        """
        answer = await self._call_with_retries("POST", path, body, key=key)
        return None if answer.status_code == HTTPStatus.NO_CONTENT else self._parse_json(answer)

    async def follow(self, path: str) -> AsyncIterator[StreamedEvent]:
        """Yield the server-sent events of `path` (below the prefix) until the stream ends. Nothing is repeated.

        Raises:
            Refused, NotSignedIn, NotThere, ServerDown, ServerFailed: the server answered with an error.
            Unreachable: nothing answered, or the connection broke.
        """
        headers = {"Accept": "text/event-stream"}
        if token := await self._fresh_token():
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._client.stream("GET", f"{self._prefix}{path}", headers=headers) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _explain_refusal(_error_of_answer(answer), token)
                async for event in read_events(answer.aiter_lines()):
                    yield event
        except httpx2.HTTPError as error:
            raise self._make_unreachable(error) from error

    async def put(self, path: str, body: Any) -> Any:
        """Send a PUT request with `body` as JSON to `path` (below the prefix), and return the JSON answer.

        Return None if the answer has no body.
        """
        answer = await self._call_with_retries("PUT", path, body)
        return self._parse_json(answer) if answer.content else None

    async def delete(self, path: str) -> None:
        """Delete the object at `path`. See `_call_with_retries`."""
        await self._call_with_retries("DELETE", path, None)

    async def _call_with_retries(self, method: str, path: str, body: Any, *, key: str = "") -> httpx2.Response:
        """Call the gateway, and return the answer. Repeat the call while it may still succeed and time is left.

        Raises:
            Rejected: JSON cannot hold `body`.
            Refused, NotSignedIn, NotThere, AlreadyThere, ServerDown, ServerFailed: the server answered with an error.
            Unreachable: nothing answered.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        headers = {"Idempotency-Key": key or str(uuid.uuid4())} if method == "POST" else {}
        content = None if body is None else _encode_json(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        if trace := find_caller_trace():
            headers["traceparent"] = trace
        attempt = 0
        while True:
            # Get the token again for each attempt: it may have been renewed in its file meanwhile.
            if token := await self._fresh_token():
                headers["Authorization"] = f"Bearer {token}"
            retry_after = ""
            failure: Unreachable | ServerAnswer
            try:
                async with asyncio.timeout_at(deadline):
                    answer = await self._client.request(
                        method, f"{self._prefix}{path}", content=content, headers=headers
                    )
            except TimeoutError as error:
                raise Unreachable(f"{self._server.gateway} did not answer within {self._timeout_s:g} s") from error
            except httpx2.TransportError as error:
                failure = self._make_unreachable(error)
            except httpx2.HTTPError as error:
                raise self._make_unreachable(error) from error
            else:
                self._has_answered = True
                if answer.is_success:
                    return answer
                if answer.status_code not in PASSING:
                    raise _explain_refusal(_error_of_answer(answer), token)
                failure = _error_of_answer(answer)
                retry_after = answer.headers.get("Retry-After", "")
            pause = retry_pause_s(
                attempt,
                remaining_s=deadline - loop.time(),
                chance=random.random(),  # noqa: S311 - spreads load, guards nothing
                retry_after=retry_after,
                cap_s=_REFUSED_CAP_S if isinstance(failure, Unreachable) else CAP_S,
            )
            # If nothing listens, give up after some attempts: otherwise each typing error in an address would take half
            # a minute. But if the gateway has answered before, it is probably restarting, and we go on.
            if pause is None or (isinstance(failure, Unreachable) and attempt >= 4 and not self._has_answered):
                raise failure
            await asyncio.sleep(pause)
            attempt += 1

    async def _fresh_token(self) -> str:
        """Return the token to send now. If the token of a login expires soon, renew it first."""
        if (ours := self._server.login) is None:
            return self._server.read_token()
        if is_due(login := await load_latest_login(ours)):
            # One call renews for all others: an issuer may accept a refresh token only once.
            async with self._renewing:
                login = await renew_if_due(self._server.login or ours)
                self._server = replace(self._server, login=login)
        self._server = replace(self._server, login=login)
        return self._server.read_token()

    def _parse_json(self, answer: httpx2.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise ServerDown(
                f"{self._server.gateway} answered {answer.status_code} without JSON", hint="is this an EWMS gateway?"
            ) from error

    def _make_unreachable(self, error: httpx2.HTTPError) -> Unreachable:
        distrust, remedy = explain_distrust(error)
        if distrust:
            return Unreachable(f"the certificate of {self._server.gateway} is refused: {distrust}", hint=remedy)
        return Unreachable(
            f"cannot reach {self._server.gateway}: {error or type(error).__name__}",
            hint=self._hint_for(error),
        )

    def _hint_for(self, error: httpx2.HTTPError) -> str:
        if "SSL" in str(error):
            return "a gateway without TLS has an address that begins with http://"
        if self._server.is_here:
            return "is it running? `ewms up` starts one on this machine"
        return "check the address (--server or EWMS_GATEWAY), and the way there: name, network, proxy"


def _encode_json(body: Any) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise Rejected(
            f"the request holds {error.object[error.start : error.end]!r}, half of a surrogate pair, which is not a "
            "character",
            hint="check its texts for a \\ud800 to \\udfff that stands alone",
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise Rejected(f"the request cannot be written as JSON: {error}") from error


def _explain_refusal(refusal: ServerAnswer, token: str) -> ServerAnswer:
    """Return `refusal`, or the fault that `token` itself shows if the server gives no reason."""
    if not isinstance(refusal, NotSignedIn):
        return refusal
    if refusal.reason == Forbidden().reason:
        refusal.hint = "your token is valid but gives you no role for this: ask the people who run the server"
        return refusal
    found = (
        find_token_fault(token, now_s=time.time()) if refusal.reason == Unauthenticated().reason or not token else None
    )
    if found is not None:
        found.request_id = refusal.request_id
    return found or refusal


def _error_of_answer(answer: httpx2.Response) -> ServerAnswer:
    try:
        body = answer.json()
        # Each dialect has a word of its own for the text.
        reason = str(body[next(word for word in ("error", "message", "detail", "Error") if word in body)])
    except (ValueError, KeyError, TypeError, StopIteration):
        body = {}
        reason = _NO_JSON.format(answer.status_code, answer.reason_phrase)
    hint = answer.headers.get(HINT, "")
    if answer.status_code == httpx2.codes.NOT_FOUND and reason in ("Not Found", _NO_JSON.format(404, "Not Found")):
        # For a missing object a gateway's text names the object. This text is about the path, so it is not a gateway's.
        reason = f"{answer.url} is not a path of an EWMS gateway (404)"
        hint = "the server's address has no path after its port"
    return error_from_answer(
        answer.status_code,
        reason,
        hint=hint,
        request_id=answer.headers.get(REQUEST_ID, ""),
        members=body if isinstance(body, dict) else {},
    )
