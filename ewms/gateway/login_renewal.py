"""Renew a saved login before its token expires, also beside other programs of the same user."""

import asyncio
import os
import time
from contextlib import suppress

from ewms.errors import NotSignedIn
from ewms.gateway.device_login import renew_login
from ewms.gateway.saved_logins import Login, load_login, save_login
from ewms.gateway.token_claims import expires_within

#: How long (seconds) before its end a login's token is renewed.
_RENEW_BEFORE_S = 30.0


def is_due(login: Login) -> bool:
    """Return whether a login can be renewed and its token expires soon."""
    return bool(login.refresh_token) and expires_within(login.access_token, _RENEW_BEFORE_S, now_s=time.time())


async def load_latest_login(ours: Login) -> Login:
    """Return the saved login, which another program may have renewed. Return `ours` if only `ours` does not expire
    soon.
    """
    kept = await asyncio.to_thread(load_login, ours.gateway, os.environ)
    return ours if kept is None or (is_due(kept) and not is_due(ours)) else kept


async def renew_if_due(ours: Login) -> Login:
    """Return the latest login. If it expires soon, renew it, and save the new login first.

    Raises:
        NotSignedIn: the issuer refuses the refresh token, and no other program has saved a newer login.
    """
    if not is_due(login := await load_latest_login(ours)):
        return login
    try:
        login = await renew_login(login)
    except NotSignedIn:
        # Another program may have used the refresh token just now, and saved the new login.
        if is_due(latest := await load_latest_login(ours)):
            raise
        return latest
    # If saving the login fails, this program still uses it.
    with suppress(OSError):
        await asyncio.to_thread(save_login, login, os.environ)
    return login
