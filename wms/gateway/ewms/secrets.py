"""The routes of an organization's secrets: set one, list their names, delete one. No route shows a value."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.secrets import SecretNamesAnswer, SecretRequest, SecretSeen
from schemas.ids import OrganizationId
from schemas.rules.secret_names import SECRET_NAME
from wms.secrets.secret_store import SecretStore
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, check_right, roles_for

_OF_ALL = "/organizations/{organization}/secrets"
_OF_ONE = f"{_OF_ALL}/{{secret}}"
_NAMES: Mapping[str, Mapping[str, Any]] = {
    "organization": {"type": "string", "maxLength": 63},
    "secret": {"type": "string", "pattern": f"^{SECRET_NAME.pattern}$"},
}


class SecretRoutes:
    """Handlers of /organizations/{organization}/secrets."""

    def __init__(self, organizations: Organizations, secrets: SecretStore) -> None:
        self._organizations = organizations
        self._secrets = secrets

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                _OF_ALL,
                self.list_secrets,
                "List the names of an organization's secrets",
                roles=roles_for(Action.SEE_SECRET),
                answer=SecretNamesAnswer,
                parameters={"organization": _NAMES["organization"]},
            ),
            Route(
                "PUT",
                _OF_ONE,
                self.set_secret,
                "Set a secret of an organization",
                roles=roles_for(Action.CHANGE_SECRET),
                body=SecretRequest,
                codes=(204,),
                errors=(409, 413),
                parameters=_NAMES,
            ),
            Route(
                "DELETE",
                _OF_ONE,
                self.delete_secret,
                "Delete a secret",
                roles=roles_for(Action.CHANGE_SECRET),
                codes=(204,),
                parameters=_NAMES,
            ),
        ]

    async def list_secrets(self, call: Call) -> Response:
        _, organization = await self._find_organization(call, Action.SEE_SECRET)
        found = await self._secrets.list_secrets(organization)
        seen = [
            SecretSeen(name=each.name, open_to=each.open_to, changed_at=each.changed_at, changed_by=each.changed_by)
            for each in found
        ]
        return answer_json(SecretNamesAnswer(secrets=seen))

    async def set_secret(self, call: Call) -> Response:
        body: SecretRequest = call.body
        principal, organization = await self._find_organization(call, Action.CHANGE_SECRET)
        value = body.value.get_secret_value()
        await self._secrets.set_secret(
            organization, call.read_path("secret"), value, open_to=body.open_to, by=principal.subject
        )
        return answer_nothing()

    async def delete_secret(self, call: Call) -> Response:
        principal, organization = await self._find_organization(call, Action.CHANGE_SECRET)
        await self._secrets.delete_secret(organization, call.read_path("secret"), by=principal.subject)
        return answer_nothing()

    async def _find_organization(self, call: Call, action: Action) -> tuple[Principal, OrganizationId]:
        """Return the caller and the organization in the path, in which the caller may do `action`."""
        name = OrganizationId(call.read_path("organization"))
        principal = await self._organizations.find_principal(call.caller)
        check_right(principal, action, name, absent=f"no organization found with name: {name}")
        return principal, name
