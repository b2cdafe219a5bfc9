"""The routes of inventories: list, create, get, change, delete, import and export, and variables of the whole."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.inventories import (
    ImportRequest,
    InventoriesAnswer,
    InventoryChange,
    InventoryRequest,
    InventorySeen,
    VariablesRequest,
    VariablesSeen,
)
from schemas.automation.inventories import MAX_IMPORT_BYTES, InventoryForm
from schemas.errors import Rejected
from wms.gateway.craton.inventory_calls import (
    NUMBER,
    PAGED,
    REVISION,
    InventoryCalls,
    cut_page,
    read_inventory_id,
    read_page,
    read_revision,
)
from wms.gateway.craton.inventory_shapes import show_inventory, summarize_inventory
from wms.gateway.craton.variable_routes import list_variable_routes
from wms.inventory.content.content_edits import change_variables
from wms.inventory.content.merging import LevelKind
from wms.inventory.forms.form_writing import write_inventory
from wms.inventory.stored.inventory_service import ImportedText
from wms.tenancy.rights import Action, roles_for

_SEE = roles_for(Action.SEE_INVENTORY)
_CHANGE = roles_for(Action.CHANGE_INVENTORY)
#: A text as a JSON string has escapes, and the body has other fields.
_MAX_BODY_BYTES = MAX_IMPORT_BYTES + 4 * 1024 * 1024

_LIST_QUERY: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "string"},
    "organization": {"type": "string"},
    **PAGED,
}
_EXPORT_QUERY: Mapping[str, Mapping[str, Any]] = {
    "format": {"type": "string", "enum": [*InventoryForm], "default": InventoryForm.YAML.value},
    "label_groups": {"type": "boolean", "default": False},
}
_OF_ONE = "/inventories/{inventory}"
_NAMED = {"inventory": NUMBER}


class InventoryRoutes:
    """Handlers of /inventories."""

    def __init__(self, calls: InventoryCalls) -> None:
        self._calls = calls
        self._inventories = calls.inventories

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/inventories",
                self.list_inventories,
                "List the inventories that the caller sees",
                roles=_SEE,
                answer=InventoriesAnswer,
                query=dict.fromkeys(_LIST_QUERY, False),
                parameters=_LIST_QUERY,
            ),
            Route(
                "POST",
                "/inventories",
                self.create_inventory,
                "Create an inventory: empty, or from a text in one of Ansible's forms",
                roles=_CHANGE,
                body=InventoryRequest,
                max_body_bytes=_MAX_BODY_BYTES,
                is_heavy=True,
                answer=InventorySeen,
                codes=(201,),
                errors=(404, 409, 413),
            ),
            Route(
                "GET",
                _OF_ONE,
                self.get_inventory,
                "Get an inventory with its groups",
                roles=_SEE,
                answer=InventorySeen,
                parameters=_NAMED,
            ),
            Route(
                "PUT",
                _OF_ONE,
                self.change_inventory,
                "Rename or describe an inventory",
                roles=_CHANGE,
                body=InventoryChange,
                answer=InventorySeen,
                errors=(409, 413),
                parameters=_NAMED,
            ),
            Route(
                "DELETE",
                _OF_ONE,
                self.delete_inventory,
                "Delete an inventory with its hosts",
                roles=_CHANGE,
                codes=(204,),
                errors=(409,),
                query={"rev": False},
                parameters={**_NAMED, "rev": REVISION},
            ),
            Route(
                "POST",
                f"{_OF_ONE}/import",
                self.import_content,
                "Replace the content of an inventory by that of a text, or merge the text into it",
                roles=_CHANGE,
                body=ImportRequest,
                max_body_bytes=_MAX_BODY_BYTES,
                is_heavy=True,
                answer=InventorySeen,
                errors=(409, 413),
                parameters=_NAMED,
            ),
            Route(
                "GET",
                f"{_OF_ONE}/export",
                self.export_content,
                "Get an inventory as a text in one of Ansible's forms",
                roles=_SEE,
                is_heavy=True,
                media_type="text/plain",
                query=dict.fromkeys(_EXPORT_QUERY, False),
                parameters={**_NAMED, **_EXPORT_QUERY},
            ),
            *list_variable_routes(
                _OF_ONE,
                _NAMED,
                "a whole inventory",
                get=self.get_variables,
                put=self.set_variables,
                remove=self.remove_variable,
            ),
        ]

    async def list_inventories(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        after, limit = read_page(call)
        found = await self._inventories.list_inventories(
            principal,
            name=call.read_query("name") or "",
            organization=call.read_query("organization") or "",
            after=after,
            limit=limit + 1,
        )
        page, following = cut_page(found, limit, [each.id for each in found])
        shown = [summarize_inventory(each) for each in page]
        return answer_json(InventoriesAnswer(inventories=shown, next=following))

    async def create_inventory(self, call: Call) -> Response:
        wanted: InventoryRequest = call.body
        made = await self._inventories.create_inventory(
            await self._calls.find_principal(call),
            name=wanted.name,
            organization=wanted.organization,
            description=wanted.description,
            variables=wanted.variables,
            imported=_read_text(wanted.content, wanted.format) if wanted.content else None,
            once=call.once,
        )
        return answer_json(show_inventory(made), code=201)

    async def get_inventory(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        return answer_json(show_inventory(await self._inventories.get_inventory(principal, read_inventory_id(call))))

    async def change_inventory(self, call: Call) -> Response:
        wanted: InventoryChange = call.body
        fields = wanted.model_dump(include={"name", "description"}, exclude_none=True)
        principal = await self._calls.find_principal(call)
        changed = await self._inventories.change_inventory(principal, read_inventory_id(call), fields, rev=wanted.rev)
        return answer_json(show_inventory(changed))

    async def delete_inventory(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        await self._inventories.delete_inventory(principal, read_inventory_id(call), rev=read_revision(call))
        return answer_nothing()

    async def import_content(self, call: Call) -> Response:
        wanted: ImportRequest = call.body
        changed = await self._inventories.import_content(
            await self._calls.find_principal(call),
            read_inventory_id(call),
            _read_text(wanted.content, wanted.format),
            merges=wanted.mode == "merge",
            rev=wanted.rev,
            once=call.once,
        )
        return answer_json(show_inventory(changed))

    async def export_content(self, call: Call) -> Response:
        form = _read_form(call)
        principal = await self._calls.find_principal(call)
        _, content = await self._inventories.load_content(principal, read_inventory_id(call))
        with_labels = (call.read_query("label_groups") or "").lower() in ("1", "true")
        text = await asyncio.to_thread(write_inventory, content, form, with_label_groups=with_labels)
        return Response(text, media_type="text/plain; charset=utf-8")

    async def get_variables(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        found = await self._inventories.get_inventory(principal, read_inventory_id(call))
        return answer_json(VariablesSeen(variables=dict(found.variables), rev=found.rev))

    async def set_variables(self, call: Call) -> Response:
        wanted: VariablesRequest = call.body
        changed = await self._inventories.edit_content(
            await self._calls.find_principal(call),
            read_inventory_id(call),
            change_variables(LevelKind.INVENTORY, "", add=wanted.variables),
            hosts=(),
            what={"set_variables": sorted(wanted.variables)},
            rev=wanted.rev,
        )
        return answer_json(VariablesSeen(variables=dict(changed.variables), rev=changed.rev))

    async def remove_variable(self, call: Call) -> Response:
        name = call.read_path("variable")
        await self._inventories.edit_content(
            await self._calls.find_principal(call),
            read_inventory_id(call),
            change_variables(LevelKind.INVENTORY, "", add={}, remove=[name]),
            hosts=(),
            what={"remove_variable": name},
            rev=read_revision(call),
        )
        return answer_nothing()


def _read_text(content: str | dict[str, Any], form: str | None) -> ImportedText:
    return ImportedText(content=content, form=None if form is None else InventoryForm(form))


def _read_form(call: Call) -> InventoryForm:
    text = call.read_query("format")
    try:
        return InventoryForm(text or InventoryForm.YAML)
    except ValueError:
        raise Rejected(f"'format': must be one of {', '.join(InventoryForm)}") from None
