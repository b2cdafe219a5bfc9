"""The routes of hosts: search, add, get, rename, remove, and their variables, labels and groups."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.inventories import (
    HostChange,
    HostRequest,
    HostsAnswer,
    HostSeen,
    HostVariables,
    LabelsRequest,
    MembershipsRequest,
    VariablesRequest,
)
from schemas.automation.inventories import MAX_LIMIT_CHARACTERS
from schemas.ids import InventoryId
from wms.gateway.craton.inventory_calls import (
    NAME,
    NUMBER,
    PAGED,
    REVISION,
    InventoryCalls,
    cut_page,
    read_host_id,
    read_inventory_query,
    read_page,
    read_revision,
)
from wms.gateway.craton.inventory_shapes import show_host, show_variables
from wms.inventory.content.content_edits import (
    change_labels,
    change_memberships,
    change_variables,
    get_host,
    remove_host,
    rename_host,
)
from wms.inventory.content.inventory_content import Host
from wms.inventory.content.merging import LevelKind
from wms.inventory.limits.host_search import HostWish, read_wanted_variables
from wms.inventory.stored.host_service import MakeEdit
from wms.tenancy.rights import Action, roles_for

_SEE = roles_for(Action.SEE_INVENTORY)
_CHANGE = roles_for(Action.CHANGE_INVENTORY)
_TEXT: Mapping[str, Any] = {"type": "string"}
_LIST_QUERY: Mapping[str, Mapping[str, Any]] = {
    "inventory": NUMBER,
    "organization": _TEXT,
    "name": _TEXT,
    "label": {**_TEXT, "description": "Repeat it for hosts that have several labels."},
    "group": _TEXT,
    "vars": {**_TEXT, "description": "NAME:VALUE,NAME:VALUE of merged variables."},
    "match": {**_TEXT, "maxLength": MAX_LIMIT_CHARACTERS, "description": "A limit such as web*:&label=prod:!db1."},
    **PAGED,
}
_OF_ONE = "/hosts/{host}"
_NAMED = {"host": NUMBER}


class HostRoutes:
    """Handlers of /hosts."""

    def __init__(self, calls: InventoryCalls) -> None:
        self._calls = calls
        self._hosts = calls.hosts

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/hosts",
                self.list_hosts,
                "List hosts that the caller sees; with 'inventory' also by group, merged variables or limit",
                roles=_SEE,
                answer=HostsAnswer,
                errors=(404,),
                query=dict.fromkeys(_LIST_QUERY, False),
                parameters=_LIST_QUERY,
            ),
            Route(
                "POST",
                "/hosts",
                self.add_host,
                "Add a host to an inventory",
                roles=_CHANGE,
                body=HostRequest,
                answer=HostSeen,
                codes=(201,),
                errors=(404, 409, 413),
            ),
            Route("GET", _OF_ONE, self.get_host, "Get a host", roles=_SEE, answer=HostSeen, parameters=_NAMED),
            self._route_change("PUT", "", self.rename_host, "Rename a host", HostChange),
            self._route_removal("", self.remove_host, "Remove a host from its inventory"),
            Route(
                "GET",
                f"{_OF_ONE}/variables",
                self.get_variables,
                "Get a host's variables: its own, the merged ones, and which level gave each",
                roles=_SEE,
                answer=HostVariables,
                parameters=_NAMED,
            ),
            self._route_change(
                "PUT", "/variables", self.set_variables, "Set variables of a host; the others stay", VariablesRequest
            ),
            self._route_removal("/variables/{variable}", self.remove_variable, "Remove a host's own variable"),
            self._route_change("PUT", "/labels", self.add_labels, "Give labels to a host", LabelsRequest),
            self._route_removal("/labels/{label}", self.remove_label, "Take a label from a host"),
            self._route_change("PUT", "/groups", self.join_groups, "Put a host into groups", MembershipsRequest),
            self._route_removal("/groups/{group}", self.leave_group, "Take a host from a group"),
        ]

    def _route_change(self, method: str, path: str, handler: Any, summary: str, body: Any) -> Route:
        return Route(
            method,
            f"{_OF_ONE}{path}",
            handler,
            summary,
            roles=_CHANGE,
            body=body,
            answer=HostSeen,
            errors=(409, 413),
            parameters=_NAMED,
        )

    def _route_removal(self, path: str, handler: Any, summary: str) -> Route:
        return Route(
            "DELETE",
            f"{_OF_ONE}{path}",
            handler,
            summary,
            roles=_CHANGE,
            codes=(204,),
            errors=(409,),
            query={"rev": False},
            parameters={**_NAMED, **dict.fromkeys(("variable", "label", "group"), NAME), "rev": REVISION},
        )

    async def list_hosts(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        after, limit = read_page(call)
        wish = HostWish(
            inventory=read_inventory_query(call),
            organization=call.read_query("organization") or "",
            name=call.read_query("name") or "",
            labels=tuple(filter(None, call.request.query_params.getlist("label"))),
            group=call.read_query("group") or "",
            variables=read_wanted_variables(call.read_query("vars") or ""),
            limit=call.read_query("match") or "",
        )
        found = await self._hosts.list_hosts(principal, wish, after=after, limit=limit + 1)
        page, following = cut_page(found, limit, [each.id for each in found])
        return answer_json(HostsAnswer(hosts=[show_host(each) for each in page], next=following))

    async def add_host(self, call: Call) -> Response:
        wanted: HostRequest = call.body
        made = await self._hosts.add_host(
            await self._calls.find_principal(call),
            InventoryId(wanted.inventory),
            Host(wanted.name, tuple(wanted.labels), tuple(wanted.groups), wanted.variables),
            rev=wanted.rev,
            once=call.once,
        )
        return answer_json(show_host(made), code=201)

    async def get_host(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        return answer_json(show_host(await self._hosts.get_host(principal, read_host_id(call))))

    async def rename_host(self, call: Call) -> Response:
        wanted: HostChange = call.body
        return await self._change(
            call,
            lambda name: rename_host(name, wanted.name),
            what={"rename": wanted.name},
            rev=wanted.rev,
            others=(wanted.name,),
        )

    async def remove_host(self, call: Call) -> Response:
        return await self._change(call, remove_host, what={"remove": True}, rev=read_revision(call), answers=False)

    async def get_variables(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        host = await self._hosts.get_host(principal, read_host_id(call))
        content = await self._hosts.load_levels(host)
        get_host(content, host.name)
        return answer_json(show_variables(host, content))

    async def set_variables(self, call: Call) -> Response:
        wanted: VariablesRequest = call.body
        return await self._change(
            call,
            lambda name: change_variables(LevelKind.HOST, name, add=wanted.variables),
            what={"set_variables": sorted(wanted.variables)},
            rev=wanted.rev,
        )

    async def remove_variable(self, call: Call) -> Response:
        variable = call.read_path("variable")
        return await self._change(
            call,
            lambda name: change_variables(LevelKind.HOST, name, add={}, remove=[variable]),
            what={"remove_variable": variable},
            rev=read_revision(call),
            answers=False,
        )

    async def add_labels(self, call: Call) -> Response:
        wanted: LabelsRequest = call.body
        return await self._change(
            call,
            lambda name: change_labels(name, add=wanted.labels),
            what={"add_labels": wanted.labels},
            rev=wanted.rev,
        )

    async def remove_label(self, call: Call) -> Response:
        label = call.read_path("label")
        return await self._change(
            call,
            lambda name: change_labels(name, remove=[label]),
            what={"remove_label": label},
            rev=read_revision(call),
            answers=False,
        )

    async def join_groups(self, call: Call) -> Response:
        wanted: MembershipsRequest = call.body
        return await self._change(
            call,
            lambda name: change_memberships(name, add=wanted.groups),
            what={"join_groups": wanted.groups},
            rev=wanted.rev,
        )

    async def leave_group(self, call: Call) -> Response:
        group = call.read_path("group")
        return await self._change(
            call,
            lambda name: change_memberships(name, remove=[group]),
            what={"leave_group": group},
            rev=read_revision(call),
            answers=False,
        )

    async def _change(
        self,
        call: Call,
        make_edit: MakeEdit,
        *,
        what: Mapping[str, Any],
        rev: int | None,
        others: tuple[str, ...] = (),
        answers: bool = True,
    ) -> Response:
        principal = await self._calls.find_principal(call)
        changed = await self._hosts.edit_host(
            principal, read_host_id(call), make_edit, what=what, others=others, rev=rev
        )
        return answer_json(show_host(changed)) if answers and changed is not None else answer_nothing()
