"""Log in with a browser on any device, and renew the token that the login gave.

    the issuer's document ──► a code for the user ──► ask for the token until the user has entered the code ──► renew

Source: RFC 8628 (device authorization grant), RFC 6749 section 6 (refresh), OpenID Connect Discovery 1.0.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ewms.errors import NotSignedIn, ServerDown, TimedOut, Unreachable
from ewms.gateway.reach import http_client, is_loopback
from ewms.gateway.saved_logins import Login
from schemas.errors import Rejected

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_TIMEOUT_S = 30.0

#: How long (seconds) to wait between two questions, and how much longer after "slow_down".
#: Source: RFC 8628, 3.2 and 3.5.
_DEFAULT_INTERVAL_S = 5.0
_SLOW_DOWN_S = 5.0

#: How long (seconds) a code may be entered at most, also if its issuer gives no end.
_LONGEST_S = 1800.0


@dataclass(frozen=True, slots=True)
class LoginPrompt:
    """What the user has to do within `life_s` seconds: open `url` and enter `code`, or open `whole_url`, which has
    both.

    `whole_url` is "" if the issuer gives none.
    """

    url: str
    code: str
    whole_url: str
    life_s: float


async def log_in(
    gateway: str, issuer: str, *, client_id: str, scope: str, show: Callable[[LoginPrompt], None]
) -> Login:
    """Log a user in by device code, and return the login for `gateway`. Its tokens come from `issuer`.

    Call `show` with the address and the code, and wait until the user has confirmed the login.

    Raises:
        Rejected: `issuer` is not an address, or offers no login by device code.
        NotSignedIn: the user or the issuer has refused the login.
        TimedOut: the code has expired.
        Unreachable, ServerDown: the issuer does not answer, or is not an OpenID issuer.
    """
    _check_secure(issuer)
    async with _make_client(issuer) as http:
        found = await _call_issuer(http, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        token_endpoint = str(found.get("token_endpoint", ""))
        device_endpoint = str(found.get("device_authorization_endpoint", ""))
        if not token_endpoint or not device_endpoint:
            raise Rejected(
                f"the issuer {issuer} offers no login by device code",
                hint="get a token from it in another way, and keep it with: ewms login --token-file FILE",
            )
        _check_secure(token_endpoint)
        _check_secure(device_endpoint)
        begun = await _call_issuer(http, "POST", device_endpoint, {"client_id": client_id, "scope": scope})
        if "device_code" not in begun:
            raise NotSignedIn(
                f"the issuer refused to begin a login: {_describe_refusal(begun)}", hint="check --client-id"
            )
        life_s = min(_read_number(begun.get("expires_in"), _LONGEST_S), _LONGEST_S)
        url = str(begun.get("verification_uri", ""))
        show(LoginPrompt(url, str(begun.get("user_code", "")), str(begun.get("verification_uri_complete", "")), life_s))
        form = {"grant_type": _DEVICE_GRANT, "device_code": str(begun["device_code"]), "client_id": client_id}
        try:
            async with asyncio.timeout(life_s):
                interval_s = _read_number(begun.get("interval"), _DEFAULT_INTERVAL_S)
                answer = await _poll_token(http, token_endpoint, form, interval_s)
        except TimeoutError:
            raise TimedOut("the code expired before you entered it", hint="log in again") from None
    return Login(gateway, str(answer["access_token"]), str(answer.get("refresh_token", "")), token_endpoint, client_id)


async def renew_login(login: Login) -> Login:
    """Get a new token from the issuer, and return `login` with the new token.

    Raises:
        NotSignedIn: the issuer does not renew this login any more.
        Unreachable, ServerDown: the issuer does not answer.
    """
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, "client_id": login.client_id}
    async with _make_client(login.token_endpoint) as http:
        answer = await _call_issuer(http, "POST", login.token_endpoint, form)
    if "access_token" not in answer:
        raise NotSignedIn(f"the login has ended: {_describe_refusal(answer)}", hint="log in again: ewms login")
    # If the issuer gives no new refresh token, the old one stays valid. Source: RFC 6749, section 6.
    refresh_token = str(answer.get("refresh_token") or login.refresh_token)
    return Login(login.gateway, str(answer["access_token"]), refresh_token, login.token_endpoint, login.client_id)


def next_interval_s(answer: Mapping[str, Any], interval_s: float) -> float:
    """Return the pause in seconds before the next request for the token. `answer` is the issuer's last answer.

    Raises:
        NotSignedIn: the user or the issuer has refused the login.
        TimedOut: the code has expired.
    """
    match answer.get("error"):
        case "authorization_pending":
            return interval_s
        case "slow_down":
            return interval_s + _SLOW_DOWN_S
        case "expired_token":
            raise TimedOut("the code expired before you entered it", hint="log in again")
        case "access_denied":
            raise NotSignedIn("the login was refused", hint="log in again, and allow it in the browser")
        case _:
            raise NotSignedIn(f"the issuer gives no token: {_describe_refusal(answer)}", hint="log in again")


async def _poll_token(
    http: httpx2.AsyncClient, endpoint: str, form: Mapping[str, str], interval_s: float
) -> dict[str, Any]:
    while True:
        await asyncio.sleep(interval_s)
        try:
            answer = await _call_issuer(http, "POST", endpoint, form)
        except Unreachable:
            # After a connection timeout, ask less often. Source: RFC 8628, 3.5.
            interval_s *= 2
            continue
        if "access_token" in answer:
            return answer
        interval_s = next_interval_s(answer, interval_s)


async def _call_issuer(
    http: httpx2.AsyncClient, method: str, url: str, form: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Call an OAuth endpoint, and return the JSON object of its answer, even if the status is an error (4xx)."""
    try:
        answer = await http.request(method, url, data=form)
    except httpx2.HTTPError as error:
        raise Unreachable(
            f"cannot reach the issuer at {url}: {error or type(error).__name__}",
            hint="check --issuer",
        ) from error
    try:
        content = answer.json()
    except ValueError as error:
        raise ServerDown(f"{url} answers {answer.status_code} without JSON", hint="is it an OpenID issuer?") from error
    if not isinstance(content, dict) or answer.status_code >= 500:
        raise ServerDown(f"{url} answers {answer.status_code}", hint="is this an OpenID issuer?")
    return content


def _make_client(address: str) -> httpx2.AsyncClient:
    return http_client(address, timeout=_TIMEOUT_S, headers={"Accept": "application/json"})


def _describe_refusal(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_description") or answer.get("error") or "no reason given")[:300]


def _read_number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and value >= 0 else default


def _check_secure(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)):
        return
    raise Rejected(
        f"{url!r} is not the address of an issuer", hint="an issuer has an address like https://sso.example.org/realm"
    )
