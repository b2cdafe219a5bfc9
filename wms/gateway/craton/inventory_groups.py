"""The routes of the groups of an inventory: list, add, get, remove, nest, and their variables."""

from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.inventories import (
    ChildrenRequest,
    GroupRequest,
    GroupsAnswer,
    GroupSeen,
    VariablesRequest,
    VariablesSeen,
)
from schemas.automation.inventories import InventoryDocument, InventoryGroup
from schemas.errors import NotFound
from wms.gateway.craton.inventory_calls import NAME, NUMBER, REVISION, InventoryCalls, read_inventory_id, read_revision
from wms.gateway.craton.inventory_shapes import show_group
from wms.gateway.craton.variable_routes import list_variable_routes
from wms.inventory.content.content_edits import (
    Edit,
    add_group,
    change_children,
    change_variables,
    remove_group,
)
from wms.inventory.content.inventory_content import Group
from wms.inventory.content.merging import LevelKind
from wms.tenancy.rights import Action, roles_for

_SEE = roles_for(Action.SEE_INVENTORY)
_CHANGE = roles_for(Action.CHANGE_INVENTORY)
_GROUPS = "/inventories/{inventory}/groups"
_OF_ONE = f"{_GROUPS}/{{group}}"
_NAMED = {"inventory": NUMBER, "group": NAME}


class InventoryGroupRoutes:
    """Handlers of /inventories/{inventory}/groups."""

    def __init__(self, calls: InventoryCalls) -> None:
        self._calls = calls
        self._inventories = calls.inventories

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                _GROUPS,
                self.list_groups,
                "List the groups of an inventory",
                roles=_SEE,
                answer=GroupsAnswer,
                parameters={"inventory": NUMBER},
            ),
            Route(
                "POST",
                _GROUPS,
                self.add_group,
                "Add a group to an inventory",
                roles=_CHANGE,
                body=GroupRequest,
                answer=GroupSeen,
                codes=(201,),
                errors=(409, 413),
                parameters={"inventory": NUMBER},
            ),
            Route("GET", _OF_ONE, self.get_group, "Get a group", roles=_SEE, answer=GroupSeen, parameters=_NAMED),
            Route(
                "DELETE",
                _OF_ONE,
                self.remove_group,
                "Remove a group; its hosts, and the groups in it, stay in the inventory",
                roles=_CHANGE,
                codes=(204,),
                errors=(409,),
                query={"rev": False},
                parameters={**_NAMED, "rev": REVISION},
            ),
            Route(
                "PUT",
                f"{_OF_ONE}/children",
                self.add_children,
                "Put groups into a group; those in it stay",
                roles=_CHANGE,
                body=ChildrenRequest,
                answer=GroupSeen,
                errors=(409, 413),
                parameters=_NAMED,
            ),
            Route(
                "DELETE",
                f"{_OF_ONE}/children/{{child}}",
                self.remove_child,
                "Take a group from a group",
                roles=_CHANGE,
                codes=(204,),
                errors=(409,),
                query={"rev": False},
                parameters={**_NAMED, "child": NAME, "rev": REVISION},
            ),
            *list_variable_routes(
                _OF_ONE,
                _NAMED,
                "a group",
                get=self.get_variables,
                put=self.set_variables,
                remove=self.remove_variable,
            ),
        ]

    async def list_groups(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        found = await self._inventories.get_inventory(principal, read_inventory_id(call))
        return answer_json(GroupsAnswer(groups=[show_group(each) for each in found.groups], rev=found.rev))

    async def get_group(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        found = await self._inventories.get_inventory(principal, read_inventory_id(call))
        return answer_json(show_group(_find_group(found, call.read_path("group"))))

    async def add_group(self, call: Call) -> Response:
        wanted: GroupRequest = call.body
        group = Group(wanted.name, tuple(wanted.children), wanted.variables)
        # A host may have the name.
        changed = await self._change(
            call, add_group(group), what={"add_group": group.name}, rev=wanted.rev, hosts=(group.name,)
        )
        return answer_json(show_group(_find_group(changed, group.name)), code=201)

    async def remove_group(self, call: Call) -> Response:
        name = call.read_path("group")
        await self._change(call, remove_group(name), what={"remove_group": name}, rev=read_revision(call), hosts=None)
        return answer_nothing()

    async def add_children(self, call: Call) -> Response:
        wanted: ChildrenRequest = call.body
        name = call.read_path("group")
        changed = await self._change(
            call,
            change_children(name, add=wanted.children),
            what={"group": name, "add_children": wanted.children},
            rev=wanted.rev,
        )
        return answer_json(show_group(_find_group(changed, name)))

    async def remove_child(self, call: Call) -> Response:
        name, child = call.read_path("group"), call.read_path("child")
        edit = change_children(name, remove=[child])
        await self._change(call, edit, what={"group": name, "remove_child": child}, rev=read_revision(call))
        return answer_nothing()

    async def get_variables(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        found = await self._inventories.get_inventory(principal, read_inventory_id(call))
        group = _find_group(found, call.read_path("group"))
        return answer_json(VariablesSeen(variables=dict(group.variables), rev=found.rev))

    async def set_variables(self, call: Call) -> Response:
        wanted: VariablesRequest = call.body
        name = call.read_path("group")
        edit = change_variables(LevelKind.GROUP, name, add=wanted.variables)
        told = {"group": name, "set_variables": sorted(wanted.variables)}
        changed = await self._change(call, edit, what=told, rev=wanted.rev)
        group = _find_group(changed, name)
        return answer_json(VariablesSeen(variables=dict(group.variables), rev=changed.rev))

    async def remove_variable(self, call: Call) -> Response:
        name, variable = call.read_path("group"), call.read_path("variable")
        edit = change_variables(LevelKind.GROUP, name, add={}, remove=[variable])
        await self._change(call, edit, what={"group": name, "remove_variable": variable}, rev=read_revision(call))
        return answer_nothing()

    async def _change(
        self,
        call: Call,
        edit: Edit,
        *,
        what: dict[str, Any],
        rev: int | None,
        hosts: tuple[str, ...] | None = (),
    ) -> InventoryDocument:
        return await self._inventories.edit_content(
            await self._calls.find_principal(call),
            read_inventory_id(call),
            edit,
            hosts=hosts,
            what=what,
            rev=rev,
            once=call.once if call.request.method == "POST" else None,
        )


def _find_group(inventory: InventoryDocument, name: str) -> InventoryGroup:
    for group in inventory.groups:
        if group.name == name:
            return group
    raise NotFound(f"the inventory has no group {name!r}")
