"""The routes of the variables of one level: a whole inventory, or a group."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route
from schemas.api.automation.inventories import VariablesRequest, VariablesSeen
from wms.gateway.craton.inventory_calls import NAME, REVISION
from wms.tenancy.rights import Action, roles_for

Handle = Callable[[Call], Awaitable[Response]]


def list_variable_routes(
    of_one: str, parameters: Mapping[str, Any], level: str, *, get: Handle, put: Handle, remove: Handle
) -> list[Route]:
    """Return the three routes of variables below the path `of_one`. `level` names the level for people."""
    path = f"{of_one}/variables"
    see, change = roles_for(Action.SEE_INVENTORY), roles_for(Action.CHANGE_INVENTORY)
    return [
        Route(
            "GET",
            path,
            get,
            f"Get the variables of {level}",
            roles=see,
            answer=VariablesSeen,
            parameters=parameters,
        ),
        Route(
            "PUT",
            path,
            put,
            f"Set variables of {level}; the others stay",
            roles=change,
            body=VariablesRequest,
            answer=VariablesSeen,
            errors=(409, 413),
            parameters=parameters,
        ),
        Route(
            "DELETE",
            f"{path}/{{variable}}",
            remove,
            f"Remove a variable of {level}",
            roles=change,
            codes=(204,),
            errors=(409,),
            query={"rev": False},
            parameters={**parameters, "variable": NAME, "rev": REVISION},
        ),
    ]
