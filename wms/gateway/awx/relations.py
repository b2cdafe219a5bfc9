"""Find objects by facts about what belongs to them: `workflow_job_template__name=release`, `organization__search=nor`.

A filter by a relation becomes a filter by the ids of those objects, among the ones that the caller sees, with that
fact.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from schemas.automation.trees import TemplateKind
from schemas.errors import Rejected
from wms.gateway.awx.kinds.registry import KINDS
from wms.gateway.awx.lists import OPERATORS, Fields, ListWish, Pairs, read_wish, split_prefixes
from wms.gateway.awx.rows import select_rows
from wms.gateway.awx.shapes.template_shapes import PATHS
from wms.tenancy.organization_numbers import OrganizationNumbers
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal
from wms.trees.jobs.job_reader import EVERY_JOB, QUERIES, JobReader
from wms.trees.jobs.job_statuses import JOB_PATHS
from wms.trees.object_ids import read_object_id
from wms.trees.tree_parts import Trees

#: The most objects through which a filter by a relation can lead.
_MAX_RELATED = 1000
#: Over how many relations one filter can lead. Each one is a query of the database.
_MAX_RELATIONS = 5

Finder = Callable[[Principal, ListWish], Awaitable[Sequence[Any]]]


class Relations:
    """Reads queries of lists whose filters may lead over relations."""

    def __init__(
        self, *, trees: Trees, jobs: JobReader, numbers: OrganizationNumbers, organizations: Organizations
    ) -> None:
        self._trees = trees
        self._jobs = jobs
        self._numbers = numbers
        self._organizations = organizations
        #: Kind, as `Kind.path` -> returns the ids of those of its objects that a wish is about.
        self._finders: Mapping[str, Finder] = {
            **{path: partial(self._find_templates, {"kind": kind.value}) for kind, path in PATHS.items()},
            "unified_job_templates": partial(self._find_templates, {"kind": {"$in": [kind.value for kind in PATHS]}}),
            **{path: partial(self._find_jobs, QUERIES[kind]) for kind, path in JOB_PATHS.items()},
            "unified_jobs": partial(self._find_jobs, EVERY_JOB),
            "organizations": self._find_organizations,
            "workflow_job_template_nodes": self._find_nodes,
        }

    async def read_wish(
        self,
        principal: Principal,
        pairs: Pairs,
        fields: Fields,
        *,
        searched: Sequence[str] = ("name",),
        n_relations: int = 0,
    ) -> ListWish:
        """Return the filter and the order that a query asks for. `n_relations` counts the relations followed so far.

        Raises:
            Rejected: a field or an operator is unknown, a value does not fit its field, or a filter leads too far.
        """
        plain, more = [], []
        for name, value in pairs:
            if name == "related__search":
                more.append(await self._search_related(principal, value, fields, n_relations=n_relations))
            else:
                plain.append(await self._resolve(principal, name, value, fields, n_relations=n_relations))
        wish = read_wish(plain, fields, searched=searched)
        return wish if not more else wish.narrow(more)

    async def find_ids(self, principal: Principal, kind: str, pairs: Pairs, *, n_relations: int = 1) -> Sequence[Any]:
        """Return the ids of the objects of a kind that `pairs` ask for; of organizations, the names.

        Raises:
            Rejected: a filter is unknown or leads over too many relations, or there are too many such objects.
        """
        if n_relations > _MAX_RELATIONS:
            raise Rejected(
                f"{pairs[0][0][:80]}: a filter leads over at most {_MAX_RELATIONS} relations",
                hint="name a nearer object, by its id",
            )
        found_kind = KINDS[kind]
        wish = await self.read_wish(
            principal, pairs, found_kind.filters, searched=found_kind.searched, n_relations=n_relations
        )
        ids = await self._finders[kind](principal, wish)
        if len(ids) > _MAX_RELATED:
            raise Rejected(f"more than {_MAX_RELATED} {kind} fit", hint="filter by more facts about them, or by id")
        return ids

    async def _resolve(
        self, principal: Principal, name: str, value: str, fields: Fields, *, n_relations: int
    ) -> tuple[str, str]:
        """Return a filter without relations that selects the same objects."""
        _, bare = split_prefixes(name)
        prefix, parts = name.removesuffix(bare), bare.split("__")
        direct = parts[:-1] if len(parts) > 1 and parts[-1] in OPERATORS else parts
        if "__".join(direct) in fields:
            is_organization = direct[-1] == "organization" and parts[-1] in ("organization", "exact", "in")
            return name, await self._name_organizations(value) if is_organization else value
        for n in range(len(parts) - 1, 0, -1):
            base, rest = "__".join(parts[:n]), "__".join(parts[n:])
            relation = fields.get(base)
            if relation is None or not relation.relates:
                continue
            if rest.split("__")[0] in ("id", "pk") and (len(parts) == n + 1 or parts[n + 1] in OPERATORS):
                bare = "__".join([base, *parts[n + 1 :]])
                return await self._resolve(principal, f"{prefix}{bare}", value, fields, n_relations=n_relations)
            ids = await self.find_ids(principal, relation.relates, [(rest, value)], n_relations=n_relations + 1)
            return f"{prefix}{base}__in", ",".join(map(str, ids))
        return name, value

    async def _search_related(
        self, principal: Principal, text: str, fields: Fields, *, n_relations: int
    ) -> dict[str, Any]:
        """Return the condition that an object of some relation has `text` in its names."""
        found = []
        for name, field in fields.items():
            if field.relates:
                ids = await self.find_ids(principal, field.relates, [("search", text)], n_relations=n_relations + 1)
                found.append(dict(read_wish([(f"{name}__in", ",".join(map(str, ids)))], fields).query))
        if not found:
            raise Rejected("related__search: the objects of this list have no relations")
        return {"$or": found}

    async def _name_organizations(self, value: str) -> str:
        """Return the names of organizations, where `value` has their numbers."""
        return ",".join([await self._name_organization(part) for part in value.split(",")])

    async def _name_organization(self, value: str) -> str:
        number = read_object_id(value)
        return value if number is None else await self._numbers.find_name(number) or value

    async def _find_templates(self, query: Mapping[str, Any], principal: Principal, wish: ListWish) -> Sequence[Any]:
        found, _ = await self._trees.templates.list_templates(
            principal, {"$and": [wish.query, query]}, sort=[("_id", 1)], skip=0, limit=_MAX_RELATED + 1
        )
        return [each.id for each in found]

    async def _find_nodes(self, principal: Principal, wish: ListWish) -> Sequence[Any]:
        query = {"kind": TemplateKind.WORKFLOW.value}
        found, _ = await self._trees.templates.list_templates(
            principal, query, sort=[("_id", 1)], skip=0, limit=_MAX_RELATED
        )
        rows = [
            {"id": node.id, "identifier": node.identifier, "workflow_job_template": each.id}
            for each in found
            for node in each.nodes
        ]
        return [row["id"] for row in select_rows(rows, wish)]

    async def _find_jobs(self, query: Mapping[str, Any], principal: Principal, wish: ListWish) -> Sequence[Any]:
        return await self._jobs.find_ids(principal, {"$and": [query, wish.query]}, limit=_MAX_RELATED + 1)

    async def _find_organizations(self, principal: Principal, wish: ListWish) -> Sequence[Any]:
        seen = await self._organizations.list_organizations(principal)
        rows = [
            {"id": await self._numbers.number(each.id), "name": each.id, "description": each.title} for each in seen
        ]
        return [row["name"] for row in select_rows(rows, wish)]
