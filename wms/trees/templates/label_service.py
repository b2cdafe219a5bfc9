"""Labels of templates and jobs: names, each with a number in its organization, for clients that know objects.

Templates and jobs hold the names. The object of a label comes with its first use, or before; it goes with its last one.
A job keeps the names that its template had at the launch.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Change, Decision, Delete, Document, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.errors import Conflict, NotFound, Rejected
from schemas.graph import DefinitionKind
from schemas.ids import LabelId, OrganizationId, TemplateId
from schemas.run_documents import COUNTERS, RUNS
from schemas.trees import LABELS, TEMPLATES, LabelDocument, TemplateDocument, TemplateKind
from wms.tenancy.activity import ActivityLog
from wms.tenancy.activity_facts import ActivityFacts
from wms.tenancy.rights import Action, Principal, find_organizations
from wms.tenancy.tree_rights import check_tree_right
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.template_store import TemplateStore

INDEXES: Mapping[str, tuple[Index, ...]] = {
    LABELS: (Index(("organization", "name"), unique=True),),
    TEMPLATES: (Index(("labels",), partial={"labels.0": {"$exists": True}}),),
    RUNS: (Index(("labels",), partial={"labels.0": {"$exists": True}}),),
}
#: The most labels of one template.
MAX_LABELS = 100
_MAX_NAME = 512


class LabelService:
    """The labels of one database."""

    def __init__(self, store: Store, templates: TemplateStore) -> None:
        self._store = store
        self._activity = ActivityLog(store)
        self._templates = templates

    async def list_labels(
        self, principal: Principal, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[LabelDocument], int]:
        """Return a page of the labels that match `query` and that the principal sees, and how many do in all."""
        seen = find_organizations(principal, Action.SEE_TREE)
        own = {} if seen is None else {"organization": {"$in": sorted(seen)}}
        wanted = {"$and": [dict(query), own]}
        found = await self._store.find(LABELS, wanted, sort=list(sort), skip=skip, limit=limit)
        return [_parse_label(each) for each in found], await self._store.count(LABELS, wanted)

    async def get_label(
        self, principal: Principal, label_id: LabelId, action: Action = Action.SEE_TREE
    ) -> LabelDocument:
        """Return a label.

        Raises:
            NotFound: there is none.
            Forbidden: the principal may not do `action` to trees of its organization.
        """
        found = await self._find_numbered([label_id])
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
            return Decision(changes=(_insert_label(label),), answer=label.id)

        decided = await self._store.transact(step, once=once)
        if isinstance(decided, Decision):
            return label
        return await self.get_label(principal, LabelId(decided.answer))

    async def rename_label(self, principal: Principal, label_id: LabelId, name: str) -> LabelDocument:
        """Rename a label, on all templates that have it, and return it.

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
            for found in await tx.find(TEMPLATES, _make_use_query(label), projection={"labels": 1, "rev": 1}):
                names = list(dict.fromkeys(renamed.name if each == label.name else each for each in found["labels"]))
                changes.append(Update(TEMPLATES, found["_id"], set={"labels": names}, rev=found["rev"]))
            told = ActivityFacts(
                operation="update",
                kind="label",
                object_id=label.id,
                name=renamed.name,
                organization=label.organization,
                changes={"name": [label.name, renamed.name]},
            )
            changes += await self._activity.make_inserts(principal.subject, [told])
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
        known = await self._find_named(template.organization, [name])
        [label] = await self.ensure_labels(template.organization, [name], by=principal.subject)
        return label, not known

    async def detach_label(
        self, principal: Principal, template_id: TemplateId, kind: TemplateKind, label_id: LabelId
    ) -> None:
        """Take a label from a template; nothing changes if it has it not. The label goes with its last use."""
        template = await self._load_template(principal, template_id, kind)
        for label in await self._find_numbered([label_id]):
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
                return Decision(changes=(_insert_label(label),))

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
        for collection, those in ((TEMPLATES, {}), (RUNS, jobs)):
            used: list[dict[str, Any]] = [
                {"$match": {**those, "labels.0": {"$exists": True}}},
                {"$unwind": "$labels"},
                {"$group": {"_id": "$organization", "names": {"$addToSet": "$labels"}}},
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
        found: dict[int, LabelDocument] = {label.id: label for label in await self._find_numbered(wanted)}
        missing = [each for each in wanted if each not in found or found[each].organization != organization]
        if missing:
            text = ", ".join(map(str, missing))
            raise FieldsRefused({"labels": [f"{text}: no label of the template's organization has this id"]})
        return [found[each].name for each in wanted]

    async def release_labels(self, organization: str | None, names: Iterable[str]) -> None:
        """Delete those of the labels `names` that no template and no job of the organization has any more."""
        for label in await self._find_named(organization, list(names)) if organization else []:

            async def step(tx: Transaction, label: LabelDocument = label) -> Decision:
                query = _make_use_query(label)
                jobs = {**query, "kind": DefinitionKind.TEMPLATE.value}
                for collection, wanted in ((TEMPLATES, query), (RUNS, jobs)):
                    if await tx.find_one(collection, wanted, {"_id": 1}) is not None:
                        return Decision()
                return Decision(changes=(Delete(LABELS, label.id),))

            await self._store.transact(step)

    async def _find_named(self, organization: str, names: Collection[str]) -> list[LabelDocument]:
        query = {"organization": organization, "name": {"$in": sorted(set(names))}}
        return [_parse_label(each) for each in await self._store.find(LABELS, query, sort=[("_id", 1)])]

    async def _find_numbered(self, ids: Collection[int]) -> list[LabelDocument]:
        return [_parse_label(each) for each in await self._store.find(LABELS, {"_id": {"$in": list(ids)}})]

    async def _make_label(self, organization: OrganizationId, name: str, by: str) -> LabelDocument:
        now, number = stored_now(), await self._store.count_up(COUNTERS, "labels")
        return LabelDocument(
            id=LabelId(number), name=name, organization=organization, created=now, modified=now, created_by=by
        )


def read_label_name(raw: Any) -> str:
    """Return the name of a label.

    Raises:
        FieldsRefused: it is none.
    """
    if not isinstance(raw, str) or not raw.strip() or len(raw) > _MAX_NAME:
        raise FieldsRefused({"name": [f"must be a text of at most {_MAX_NAME} characters, not blank"]})
    return raw.strip()


def _make_use_query(label: LabelDocument) -> dict[str, Any]:
    # The last condition lets MongoDB use the index.
    return {"organization": label.organization, "labels": label.name, "labels.0": {"$exists": True}}


def _insert_label(label: LabelDocument) -> Insert:
    document = label.model_dump()
    return Insert(LABELS, {"_id": document.pop("id"), **document})


def _parse_label(document: Document) -> LabelDocument:
    return LabelDocument.model_validate({**document, "id": document["_id"]})
