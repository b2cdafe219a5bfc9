"""`ewms login`, `logout` and `whoami`: get, forget and show a token. Only its owner can read the token's file."""

import os
import time
from contextlib import suppress
from typing import Annotated

import typer

from ewms.cli.context import GlobalOptions


def log_in_user(
    context: typer.Context,
    *,
    issuer: Annotated[str | None, typer.Option(help="The OpenID issuer: https://... [EWMS_ISSUER]")] = None,
    client_id: Annotated[str, typer.Option(help="The client id of this command at the issuer.")] = "ewms",
    scope: Annotated[str, typer.Option(help="The scopes to ask the issuer for.")] = "openid offline_access",
) -> None:
    """Log in with a browser on any device, and keep the token. With --token-file, keep the token in that file."""
    import asyncio

    from ewms.cli.text.terminal.plain import escape_controls
    from ewms.errors import NotSignedIn
    from ewms.gateway.device_login import LoginPrompt, log_in
    from ewms.gateway.saved_logins import Login, save_login
    from ewms.gateway.server import find_issuer, find_server
    from ewms.gateway.token_claims import find_token_fault
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    server = find_server(given.server, token_file=given.token_file)

    def show(prompt: LoginPrompt) -> None:
        where = prompt.whole_url or prompt.url
        given.tell_user(
            escape_controls(f"open {where}\nand enter the code {prompt.code} (within {prompt.life_s / 60:.0f} minutes)")
        )

    if given.token_file is not None:
        token = server.read_token()
        refusal = find_token_fault(token, now_s=time.time())
        if refusal is not None:
            raise NotSignedIn(f"{given.token_file}: {refusal.reason}", hint=refusal.hint)
        made = Login(server.gateway, token)
    else:
        where = issuer or find_issuer()
        if not where:
            raise Rejected(
                "this command knows no issuer",
                hint="name one: --issuer URL or EWMS_ISSUER; or keep a token: --token-file FILE",
            )
        made = asyncio.run(log_in(server.gateway, where, client_id=client_id, scope=scope, show=show))
    try:
        path = save_login(made, os.environ)
    except OSError as error:
        raise Rejected(
            f"cannot save the login: {error.strerror}", hint="name a directory of your own in EWMS_STATE_DIR"
        ) from error
    if not given.write_result({"gateway": server.gateway, "file": str(path)}, [server.gateway]):
        given.tell_user(f"logged in at {server.gateway}")


def log_out_user(context: typer.Context) -> None:
    """Forget the token that `ewms login` keeps for this server."""
    from ewms.gateway.saved_logins import forget_login
    from ewms.gateway.server import find_server

    given: GlobalOptions = context.obj
    gateway = find_server(given.server, token_file=given.token_file).gateway
    was_logged_in = forget_login(gateway, os.environ)
    if not given.write_result({"gateway": gateway, "was_logged_in": was_logged_in}, [gateway]):
        given.tell_user(f"logged out at {gateway}" if was_logged_in else f"there was no login at {gateway}")


def show_user(
    context: typer.Context,
    *,
    prints_token: Annotated[bool, typer.Option("--token", help="Print only the token, for the web page.")] = False,
) -> None:
    """Show the user whom the token names, and whether the server accepts the token. Status 3 if it does not."""
    from datetime import UTC, datetime

    from ewms.cli.text.terminal.plain import escape_controls
    from ewms.errors import NotThere
    from schemas.broker.token_claims import read_claims

    given: GlobalOptions = context.obj
    # We ask for a workflow that cannot exist: the gateway answers "not there" only to users whom it accepts.
    with given.make_client() as ews, suppress(NotThere):
        ews.run("WF-00000000-00000000").show()
    # Find the server again: the call may have renewed the login's token.
    server = given.make_client().server
    if prints_token:
        typer.echo(server.read_token())
        return
    claims = read_claims(server.read_token())
    expires = claims.get("exp")
    shown = {
        "gateway": server.gateway,
        "token": server.token_source or "none",
        "subject": str(claims.get("sub", "")),
        "groups": claims.get("groups", []),
        "role": claims.get("ewms_role", ""),
        "expires": f"{datetime.fromtimestamp(expires, UTC):%F %T} UTC" if isinstance(expires, int | float) else "",
    }
    if not given.write_result(shown, [str(shown["subject"])]):
        for name, value in shown.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            if text:
                typer.echo(escape_controls(f"{name:8} {text}"))
