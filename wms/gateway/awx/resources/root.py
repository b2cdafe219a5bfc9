"""The routes by which clients find their way: the versions, the kinds, the caller, templates of all kinds."""

from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.route import Call, OpenRoute, Route, answer_json
from schemas.automation.trees import TemplateKind
from wms.gateway.awx.kinds.others import EMPTY_KINDS
from wms.gateway.awx.kinds.people import USER_FIELDS
from wms.gateway.awx.kinds.registry import KINDS
from wms.gateway.awx.kinds.templates import TEMPLATE_FIELDS
from wms.gateway.awx.requests import AwxParts, Requests, answer_page, answer_rows, route_list, route_object
from wms.gateway.awx.resources.templates import show_templates
from wms.gateway.awx.shapes.object_paths import PREFIX
from wms.gateway.awx.shapes.people_shapes import show_user


def list_names() -> dict[str, str]:
    """Return the path of each kind by its name.

    If several names lead to the same pages, `awx import` takes the last one for the name in its file. So other names of
    a kind, and `me`, a list of users, come first.
    """
    first = {
        "me": "me",
        "workflow_job_template": "workflow_job_templates",
        "unified_job_template": "unified_job_templates",
        "inventory": "inventories",
    }
    paths = [kind.path for kind in KINDS.values() if not kind.is_below_others and kind.path not in first.values()]
    every = ["ping", "config", *paths, "workflow_job_templates", "unified_job_templates"]
    return {name: f"{PREFIX}/{path}/" for name, path in (*first.items(), *((path, path) for path in every))}


class RootRoutes:
    """Handlers of /api, and of the kinds that belong to no template."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests

    def routes(self) -> list[Route]:
        """Return the routes. The first ones need no token."""
        return [
            Route("GET", "", self.list_kinds, "List the kinds and their paths", roles=ANYBODY),
            Route("GET", "/ping", self.ping, "See that the server is there", roles=ANYBODY),
            route_object("GET", "/config", self.get_config, "Get the version of the server"),
            route_list("/me", self.get_caller, "Get the caller, as a list of one", USER_FIELDS),
            route_list("/unified_job_templates", self.list_templates, "List templates of all kinds", TEMPLATE_FIELDS),
            *(route_list(f"/{kind}", self.list_nothing, f"List {kind}: there are none") for kind in EMPTY_KINDS),
        ]

    async def list_kinds(self, _: Call) -> Response:
        return answer_json(list_names())

    async def ping(self, _: Call) -> Response:
        shown = {"version": version("ewms"), "ha": False, "active_node": "ewms"}
        return answer_json({**shown, "instances": [], "instance_groups": []})

    async def get_config(self, _: Call) -> Response:
        return answer_json({"version": version("ewms"), "time_zone": "UTC", "license_info": {}})

    async def get_caller(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        caller = show_user(await self._parts.users.note_user(principal))
        return answer_rows(call, [caller], USER_FIELDS, searched=("username",))

    async def list_templates(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, TEMPLATE_FIELDS)
        query = {"$and": [wish.query, {"kind": {"$ne": TemplateKind.APPROVAL.value}}]}
        found, count = await self._parts.trees.templates.list_templates(
            principal, query, sort=wish.sort, skip=wish.skip, limit=wish.page_size
        )
        shown = await show_templates(self._parts, self._requests, principal, found)
        return answer_page(call, pairs, wish, shown, count)

    async def list_nothing(self, call: Call) -> Response:
        return answer_json({"count": 0, "next": None, "previous": None, "results": []})


def list_version_routes() -> list[OpenRoute]:
    """Return the routes that stand above the dialect's prefix: its versions. They need no token."""
    return [OpenRoute("GET", "/api/", _list_versions, "See the versions of the dialect awx")]


async def _list_versions(_: Request) -> Response:
    where = f"{PREFIX}/"
    return answer_json({"description": "EWMS", "current_version": where, "available_versions": {"v2": where}})
