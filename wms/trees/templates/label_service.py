"""Labels of templates, nodes and jobs: names, each with a number in its organization, for clients that know objects.

Templates, their nodes and jobs hold the names. The object of a label comes with its first use, or before; it goes with
its last one. A job keeps the names that its template had at the launch, or those of the node that has started it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Change, Decision, Delete, Update
from runtime.kernel.store import Store, Transaction
from runtime.once import Once
from schemas.automation.trees import LABELS, MAX_LABELS, TEMPLATES, LabelDocument, TemplateDocument, TemplateKind
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import COUNTERS, RUNS
from schemas.errors import Conflict, NotFound, Rejected
from schemas.ids import LabelId, OrganizationId, TemplateId
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.tenancy.rights import Action, Principal, find_organizations
from wms.tenancy.tree_rights import check_tree_right
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.label_documents import (
    make_job_query,
    make_label_insert,
    make_template_query,
    parse_label,
    read_label_name,
)
from wms.trees.templates.template_store import TemplateStore


class LabelService:
    """The labels of one database."""

    def __init__(self, store: Store, templates: TemplateStore) -> None:
        self._store = store
        self._audit = AuditLog(store)
        self._templates = templates

    async def list_labels(
        self, principal: Principal, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[LabelDocument], int]:
        """Return a page of the labels that match `query` and that the principal sees, and how many do in all."""
        seen = find_organizations(principal, Action.SEE_TREE)
        own = {} if seen is None else {"organization": {"$in": sorted(seen)}}
        wanted = {"$and": [dict(query), own]}
        found = await self._store.find(LABELS, wanted, sort=list(sort), skip=skip, limit=limit)
        return [parse_label(each) for each in found], await self._store.count(LABELS, wanted)

    async def get_label(
        self, principal: Principal, label_id: LabelId, action: Action = Action.SEE_TREE
    ) -> LabelDocument:
        """Return a label.

        Raises:
            NotFound: there is none.
            Forbidden: the principal may not do `action` to trees of its organization.
        """
        found = await self.find_numbered([label_id])
        if not found:
            raise NotFound("Not found.")
        label = found[0]
        check_tree_right(principal, action, label.organization)
        return label

    async def create_label(
        self, principal: Principal, organization: OrganizationId, name: str, *, once: Once | None = None
    ) -> LabelDocument:
        """Create a label that nothing has yet, and return it. A repeated request (`once`) makes no second label.

        Raises:
            FieldsRefused: there is one of this name, or the name is none.
            Forbidden: the principal may not change trees of the organization.
        """
        check_tree_right(principal, Action.CHANGE_TREE, organization)
        label = await self._make_label(organization, read_label_name(name), principal.subject)

        async def step(tx: Transaction) -> Decision:
            if await tx.find_one(LABELS, {"organization": organization, "name": label.name}, {"_id": 1}) is not None:
                text = f"a label with this name and organization already exists: {label.name!r}"
                raise FieldsRefused({"__all__": [text]})
            return Decision(changes=(make_label_insert(label),), answer=label.id)

        decided = await self._store.transact(step, once=once)
        if isinstance(decided, Decision):
            return label
        return await self.get_label(principal, LabelId(decided.answer))

    async def rename_label(self, principal: Principal, label_id: LabelId, name: str) -> LabelDocument:
        """Rename a label, on all templates and nodes that have it, and return it.

        Raises:
            FieldsRefused: another label of the organization has the name, or the name is none.
        """
        label = await self.get_label(principal, label_id, Action.CHANGE_TREE)
        renamed = label.model_copy(update={"name": read_label_name(name), "modified": stored_now()})
        if renamed.name == label.name:
            return label

        async def step(tx: Transaction) -> Decision:
            query = {"organization": label.organization, "name": renamed.name}
            if await tx.find_one(LABELS, query, {"_id": 1}) is not None:
                text = f"a label with this name and organization already exists: {renamed.name!r}"
                raise FieldsRefused({"__all__": [text]})
            fields = {"name": renamed.name, "modified": renamed.modified}
            changes: list[Change] = [Update(LABELS, label.id, set=fields)]
            shown = {"labels": 1, "nodes.labels": 1, "rev": 1}
            for found in await tx.find(TEMPLATES, make_template_query(label), projection=shown):
                lists = {"labels": found.get("labels", ())}
                lists |= {f"nodes.{n}.labels": node.get("labels", ()) for n, node in enumerate(found.get("nodes", ()))}
                fields_of = {
                    path: list(dict.fromkeys(renamed.name if each == label.name else each for each in names))
                    for path, names in lists.items()
                    if label.name in names
                }
                changes.append(Update(TEMPLATES, found["_id"], set=fields_of, rev=found["rev"]))
            told = AuditFacts(
                operation="update",
                kind="label",
                object_id=label.id,
                name=renamed.name,
                organization=label.organization,
                changes={"name": [label.name, renamed.name]},
            )
            changes += await self._audit.make_inserts(principal.subject, [told])
            return Decision(changes=tuple(changes))

        await self._store.transact(step)
        return renamed

    async def attach_label(
        self, principal: Principal, template_id: TemplateId, kind: TemplateKind, name: str
    ) -> tuple[LabelDocument, bool]:
        """Give a template a label of its organization; return the label, and whether it is new.

        Raises:
            Rejected: the template is in no organization, or has too many labels.
        """
        template = await self._load_template(principal, template_id, kind)
        if template.organization is None:
            raise Rejected("a template without an organization has no labels", hint="set its organization")
        name = read_label_name(name)
        if name not in template.labels:
            if len(template.labels) >= MAX_LABELS:
                raise Rejected(f"a template has at most {MAX_LABELS} labels", hint="take one away first")
            changed = template.model_copy(update={"labels": (*template.labels, name)})
            await self._templates.save(changed=[changed], by=principal.subject)
        return await self.find_or_make(template.organization, name, by=principal.subject)

    async def find_or_make(self, organization: str, name: str, *, by: str) -> tuple[LabelDocument, bool]:
        """Return the label of this name, and whether it is new."""
        known = await self._find_named(organization, [name])
        [label] = await self.ensure_labels(organization, [name], by=by)
        return label, not known

    async def detach_label(
        self, principal: Principal, template_id: TemplateId, kind: TemplateKind, label_id: LabelId
    ) -> None:
        """Take a label from a template; nothing changes if it has it not. The label goes with its last use."""
        template = await self._load_template(principal, template_id, kind)
        for label in await self.find_numbered([label_id]):
            if label.organization == template.organization and label.name in template.labels:
                kept = tuple(each for each in template.labels if each != label.name)
                changed = template.model_copy(update={"labels": kept})
                await self._templates.save(changed=[changed], by=principal.subject)
            await self.release_labels(label.organization, [label.name])

    async def _load_template(
        self, principal: Principal, template_id: TemplateId, kind: TemplateKind
    ) -> TemplateDocument:
        template = await self._templates.load_template(template_id, kind)
        check_tree_right(principal, Action.CHANGE_TREE, template.organization, [template.id])
        return template

    async def ensure_labels(
        self, organization: str | None, names: Collection[str], *, by: str = ""
    ) -> list[LabelDocument]:
        """Return the labels `names` of an organization. Make those that are missing, in the name of `by`."""
        if not organization or not names:
            return []
        known = await self._find_named(organization, names)
        for name in set(names) - {label.name for label in known}:
            label = await self._make_label(OrganizationId(organization), name, by)

            async def step(_: Transaction, label: LabelDocument = label) -> Decision:
                return Decision(changes=(make_label_insert(label),))

            try:
                await self._store.transact(step)
            except Conflict:  # another request was faster
                continue
        return await self._find_named(organization, names)

    async def find_labels(self, organization: str | None, names: Collection[str]) -> list[LabelDocument]:
        """Return the labels `names` of an organization, by number."""
        return await self._find_named(organization, names) if organization and names else []

    async def make_missing(self) -> None:
        """Make the labels that templates and jobs have and that do not exist, for example after an import of data."""
        jobs = {"kind": DefinitionKind.TEMPLATE.value}
        for collection, path in ((TEMPLATES, "labels"), (TEMPLATES, "nodes.labels"), (RUNS, "labels")):
            those = jobs if collection == RUNS else {}
            used: list[dict[str, Any]] = [
                {"$match": {**those, f"{path}.0": {"$exists": True}}},
                *({"$unwind": "$nodes"} for _ in range(path.startswith("nodes."))),
                {"$unwind": f"${path}"},
                {"$group": {"_id": "$organization", "names": {"$addToSet": f"${path}"}}},
            ]
            for each in await self._store.aggregate(collection, used):
                await self.ensure_labels(each["_id"], each["names"])

    async def number_labels(self, templates: Iterable[TemplateDocument]) -> dict[tuple[str, str], LabelId]:
        """Return the numbers of the labels of templates, by organization and name."""
        names = {name for template in templates for name in template.labels}
        found = await self._store.find(LABELS, {"name": {"$in": sorted(names)}}) if names else []
        return {(each["organization"], each["name"]): LabelId(each["_id"]) for each in found}

    async def name_labels(self, organization: str | None, ids: Any) -> list[str]:
        """Return the names of the labels that a launch gives by their numbers.

        Raises:
            FieldsRefused: these are no numbers of labels of the organization.
        """
        wanted = [each for each in ids if type(each) is int] if isinstance(ids, list) else []
        if not isinstance(ids, list) or len(wanted) != len(ids):
            raise FieldsRefused({"labels": ["must be a list of the ids of labels"]})
        found: dict[int, LabelDocument] = {label.id: label for label in await self.find_numbered(wanted)}
        missing = [each for each in wanted if each not in found or found[each].organization != organization]
        if missing:
            text = ", ".join(map(str, missing))
            raise FieldsRefused({"labels": [f"{text}: no label of the template's organization has this id"]})
        return [found[each].name for each in wanted]

    async def settle_labels(self, before: TemplateDocument, after: TemplateDocument, *, by: str) -> None:
        """Make the labels that a changed template and its nodes have now. Delete those that nothing has any more."""
        has_moved = before.organization != after.organization
        fresh = set(after.all_labels) - (set() if has_moved else set(before.all_labels))
        gone = set(before.all_labels) - (set() if has_moved else set(after.all_labels))
        await self.ensure_labels(after.organization, fresh, by=by)
        await self.release_labels(before.organization, gone)

    async def release_labels(self, organization: str | None, names: Iterable[str]) -> None:
        """Delete those of the labels `names` that no template, node or job of the organization has any more."""
        wanted = list(names)
        for label in await self._find_named(organization, wanted) if organization and wanted else []:

            async def step(tx: Transaction, label: LabelDocument = label) -> Decision:
                uses = ((TEMPLATES, make_template_query(label)), (RUNS, make_job_query(label)))
                for collection, query in uses:
                    if await tx.find_one(collection, query, {"_id": 1}) is not None:
                        return Decision()
                return Decision(changes=(Delete(LABELS, label.id),))

            await self._store.transact(step)

    async def _find_named(self, organization: str, names: Collection[str]) -> list[LabelDocument]:
        query = {"organization": organization, "name": {"$in": sorted(set(names))}}
        return [parse_label(each) for each in await self._store.find(LABELS, query, sort=[("_id", 1)])]

    async def find_numbered(self, ids: Collection[int]) -> list[LabelDocument]:
        """Return the labels with these numbers, of any organization."""
        return [parse_label(each) for each in await self._store.find(LABELS, {"_id": {"$in": list(ids)}})]

    async def _make_label(self, organization: OrganizationId, name: str, by: str) -> LabelDocument:
        now, number = stored_now(), await self._store.count_up(COUNTERS, "labels")
        return LabelDocument(
            id=LabelId(number), name=name, organization=organization, created=now, modified=now, created_by=by
        )
