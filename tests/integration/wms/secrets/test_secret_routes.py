"""`ewms secret`, the client and the routes of secrets against a running WMS: nobody gets a value back."""

from pathlib import Path

import pytest

from ewms.aio import AsyncClient
from ewms.errors import Refused
from schemas.errors import NotFound
from tests.commands import call_ewms
from tests.integration.wms.conftest import World

VALUE = "S3cret\nof two lines\n"


async def test_c33_secrets_are_set_listed_and_deleted_by_admins_of_their_organization(
    world: World, tmp_path: Path
) -> None:
    def token(subject: str, group: str) -> str:
        return world.issuer.token(subject, groups=[f"/organizations/{group}"])

    admin, member, stranger = token("ada", "north/admin"), token("bob", "north/member"), token("eve", "south/admin")

    async def command(*words: str, stdin: str = "") -> str:
        mine = ("--timeout", "2m", "secret", *words, "--organization", "north")
        return await call_ewms(world.wms.gateway_url, admin, *mine, stdin=stdin, directory=tmp_path)

    seen = await command("set", "db-password", stdin=VALUE)
    seen += await command("list")
    assert "db-password" in seen
    assert "ada" in seen

    async def status(method: str, path: str, by: str, body: dict[str, object] | None = None) -> int:
        nonlocal seen
        url, headers = f"/v1/organizations/north/secrets{path}", {"Authorization": f"Bearer {by}"}
        answer = await world.http.request(method, url, headers=headers, json=body)
        seen += answer.text + str(answer.headers)
        return answer.status_code

    assert await status("GET", "", member) == 200
    assert await status("GET", "", stranger) == 404
    assert await status("PUT", "/other", member, {"value": "x"}) == 403
    assert await status("PUT", "/other", stranger, {"value": "x"}) == 404
    assert await status("PUT", "/other", admin, {"value": ""}) == 400
    assert await status("PUT", "/.hidden", admin, {"value": "x"}) == 400
    assert await status("PUT", "/other", admin, {"value": VALUE, "more": 1}) == 400
    assert await status("DELETE", "/db-password", member) == 403

    async with AsyncClient(world.wms.gateway_url, token=admin) as ews:
        await ews.secrets.set_secret("api-key", VALUE, organization="north")
        assert [each["name"] for each in await ews.secrets.list_secrets(organization="north")] == [
            "api-key",
            "db-password",
        ]
        with pytest.raises((Refused, NotFound)):
            await ews.secrets.set_secret("api-key", "x", organization="nowhere")
        await ews.secrets.delete_secret("api-key", organization="north")
        with pytest.raises(NotFound):
            await ews.secrets.delete_secret("api-key", organization="north")
    seen += await command("delete", "db-password")
    assert "S3cret" not in seen
