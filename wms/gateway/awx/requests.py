"""Read requests of the dialect: who calls, which object the path names, and what a list asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from runtime.web.news.event_streams import EventStreams
from runtime.web.route import Call, Handler, Route, answer_json
from schemas.errors import NotFound
from schemas.ids import OrganizationId
from wms.engine.run_watch import RunWatch
from wms.gateway.awx.dialect import EVERYBODY, AwxBody, AwxObject, AwxPage
from wms.gateway.awx.lists import Fields, ListWish, Pairs, make_page, read_wish
from wms.gateway.awx.relations import Relations
from wms.gateway.awx.rows import select_rows
from wms.gateway.awx.shapes.job_words import NODE_FIELDS
from wms.insight.runs.run_explainer import RunExplainer
from wms.notifications.notification_service import NotificationService
from wms.schedules.schedule_service import ScheduleService
from wms.tenancy.organization_numbers import OrganizationNumbers
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal, TenancyRole
from wms.tenancy.teams import Teams
from wms.tenancy.users import Users
from wms.trees.jobs.job_reader import JobReader
from wms.trees.object_ids import MAX_ID, is_like_id, read_object_id
from wms.trees.template_errors import BadAssociation, FieldsRefused
from wms.trees.tree_parts import Trees

NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_ID}


@dataclass(frozen=True, slots=True)
class AwxParts:
    """What stands behind the routes."""

    trees: Trees
    notifications: NotificationService
    jobs: JobReader
    explainer: RunExplainer
    numbers: OrganizationNumbers
    organizations: Organizations
    users: Users
    teams: Teams
    schedules: ScheduleService
    watch: RunWatch
    streams: EventStreams


def read_id(call: Call, name: str = "id") -> int:
    """Return the integer in the path.

    Raises:
        NotFound: it is none.
    """
    number = read_object_id(call.request.path_params[name])
    if number is None:
        raise NotFound("Not found.")
    return number


def read_body_id(body: Mapping[str, Any]) -> int:
    """Return the `id` of a body that joins two objects.

    Raises:
        BadAssociation: it is none.
    """
    number = read_object_id(body.get("id"))
    if number is None:
        raise BadAssociation('"id" field must be an integer.')
    return number


class Requests:
    """Reads requests, and makes pages."""

    def __init__(self, parts: AwxParts) -> None:
        self._parts = parts
        self.relations = Relations(
            trees=parts.trees, jobs=parts.jobs, numbers=parts.numbers, organizations=parts.organizations
        )

    async def find_principal(self, call: Call) -> Principal:
        """Return who sends the request, with all roles, and note the user. One call looks them up once."""
        known: Principal | None = getattr(call.request.state, "principal", None)
        if known is None:
            known = call.request.state.principal = await self._look_up_principal(call)
        return known

    async def _look_up_principal(self, call: Call) -> Principal:
        principal = await self._parts.organizations.find_principal(call.caller)
        await self._parts.users.note_user(principal)
        if TenancyRole.SUPERUSER in principal.system_roles:
            return principal
        return await self._parts.trees.roles.add_delegated(principal, self._parts.teams)

    async def read_list(
        self, call: Call, fields: Fields, *, searched: Sequence[str] = ("name",)
    ) -> tuple[Pairs, ListWish]:
        """Return the query of a list: as it came, and what it asks for."""
        pairs = call.request.query_params.multi_items()
        principal = await self.find_principal(call)
        return pairs, await self.relations.read_wish(principal, pairs, fields, searched=searched)

    async def answer_nodes(self, call: Call, rows: Iterable[Mapping[str, Any]]) -> Response:
        """Return the answer with a page of nodes, of templates or of jobs. A search looks into their identifiers."""
        pairs, wish = await self.read_list(call, NODE_FIELDS, searched=("identifier",))
        found = select_rows(rows, wish)
        return answer_page(call, pairs, wish, found[wish.skip : wish.skip + wish.page_size], len(found))

    async def number_organization(self, name: OrganizationId | None) -> int | None:
        """Return the integer of an organization; None: there is none."""
        return None if name is None else await self._parts.numbers.number(name)

    async def read_organization(self, principal: Principal, call: Call) -> tuple[dict[str, Any], OrganizationId]:
        """Return the body of a call, with the name of its organization in place of the integer, and that name.

        Raises:
            FieldsRefused: the body names no organization, or one that the principal does not see.
        """
        raw = await self.spell_organization(call.body.root)
        name = OrganizationId(str(raw.get("organization") or ""))
        if not name:
            raise FieldsRefused({"organization": ["This field is required."]})
        try:
            await self._parts.organizations.check_named(principal, name)
        except NotFound as error:
            raise FieldsRefused({"organization": [error.reason]}) from error
        return raw, name

    async def spell_organization(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body whose organization is a name, where it came as an integer."""
        value = body.get("organization")
        if not is_like_id(value):
            return dict(body)
        number = read_object_id(value)
        name = None if number is None else await self._parts.numbers.find_name(number)
        return {**body, "organization": name or str(value)}


def answer_page(call: Call, pairs: Pairs, wish: ListWish, results: list[dict[str, Any]], count: int) -> Response:
    """Return the answer with a page of a list."""
    return answer_json(make_page(call.request.url.path, pairs, wish, results, count))


def answer_rows(
    call: Call, rows: Iterable[Mapping[str, Any]], fields: Fields, *, searched: Sequence[str] = ("name",)
) -> Response:
    """Return the answer with a page of `rows`, which are all that there are."""
    pairs = list(call.request.query_params.multi_items())
    wish = read_wish(pairs, fields, searched=searched)
    found = select_rows(rows, wish)
    return answer_page(call, pairs, wish, found[wish.skip : wish.skip + wish.page_size], len(found))


_PAGED: Mapping[str, Mapping[str, Any]] = {
    "page": {"type": "integer", "minimum": 1},
    "page_size": {"type": "integer", "minimum": 1},
    "order_by": {"type": "string"},
    "search": {"type": "string"},
}


def route_list(path: str, handler: Handler, summary: str, fields: Iterable[str] = ()) -> Route:
    """Return the route of a list. `fields` are those to filter by."""
    query = {**_PAGED, **{name: {"type": "string"} for name in fields}}
    return Route(
        "GET",
        path,
        handler,
        summary,
        roles=EVERYBODY,
        answer=AwxPage,
        errors=(404,),
        query=dict.fromkeys(query, False),
        parameters={**query, **list_path_ids(path)},
    )


def route_object(
    method: str,
    path: str,
    handler: Handler,
    summary: str,
    *,
    codes: tuple[int, ...] = (200,),
    errors: tuple[int, ...] = (),
    media_type: str = "",
    query: Mapping[str, Mapping[str, Any]] | None = None,
) -> Route:
    """Return the route of one object. A POST, PUT or PATCH takes an object, and a POST takes nothing as one, too."""
    takes_body = method in ("POST", "PUT", "PATCH")
    return Route(
        method,
        path,
        handler,
        summary,
        roles=EVERYBODY,
        body=AwxBody if takes_body else None,
        body_optional=takes_body,
        answer=None if media_type else AwxObject,
        media_type=media_type,
        codes=codes,
        errors=(*errors, *_list_errors(method)),
        query=dict.fromkeys(query or {}, False),
        parameters={**(query or {}), **list_path_ids(path)},
    )


def _list_errors(method: str) -> tuple[int, ...]:
    """Return the statuses of errors, beside those of every request, that a change by this method may have."""
    match method:
        case "POST" | "PUT" | "PATCH":
            return (404, 409, 413)
        case "DELETE":
            return (409,)
        case _:
            return ()


def list_path_ids(path: str) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of the ids in a path, for the OpenAPI document."""
    return {"id": NUMBER} if "{id}" in path else {}
