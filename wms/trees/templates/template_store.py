"""Load and store templates. A change of a template, its nodes included, is one write that `rev` guards."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from runtime.kernel.decision import Change, Decision, Delete, Document, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.automation.trees import TEMPLATES, TemplateDocument, TemplateKind, TemplateNode
from schemas.engine.graph import MAX_TIMEOUT_S
from schemas.engine.run_documents import COUNTERS, RUNS
from schemas.engine.runs import RUN_OVER
from schemas.errors import Conflict, NotFound
from schemas.ids import TemplateId, TemplateNodeId
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.trees.graphs.tree_definitions import name_definition
from wms.trees.template_errors import FieldsRefused, TemplateInUse
from wms.trees.templates.recursion_check import TURNS, list_wrapped, refuse_recursion, take_turn
from wms.trees.templates.template_changes import describe_change
from wms.trees.templates.template_links import delete_foreign_links, delete_links
from wms.trees.templates.template_schedules import delete_schedules, move_schedules

INDEXES: Mapping[str, tuple[Index, ...]] = {
    TEMPLATES: (
        Index(("name_key",), unique=True, partial={"name_key": {"$exists": True}}),
        Index(("kind", "_id")),
        Index(("nodes.id",), partial={"nodes.id": {"$exists": True}}),
        Index(("nodes.template",), partial={"nodes.template": {"$exists": True}}),
        Index(("grants.holder",), partial={"grants.holder": {"$exists": True}}),
    ),
}


#: Returns the changes that are stored together with templates.
ChangesWithTemplates = Callable[[Transaction], Awaitable[Sequence[Change]]]


class TemplateStore:
    """The templates of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = AuditLog(store)
        #: Called with the ids of templates that are gone, and with the subject of the person who deleted them.
        self.on_deleted: list[Callable[[Sequence[TemplateId], str], None]] = []

    async def find_template(self, template_id: TemplateId) -> TemplateDocument | None:
        """Return the template; None: there is none."""
        found = await self._store.find_one(TEMPLATES, {"_id": template_id})
        return None if found is None else parse_template(found)

    async def load_template(self, template_id: TemplateId, kind: TemplateKind | None = None) -> TemplateDocument:
        """Return the template, of the `kind` if one is given.

        Raises:
            NotFound: there is none.
        """
        found = await self.find_template(template_id)
        if found is None or (kind is not None and found.kind is not kind):
            raise NotFound("Not found.")
        return found

    async def load_template_of(self, node_id: TemplateNodeId) -> tuple[TemplateDocument, TemplateNode]:
        """Return the template that has this node, and the node.

        Raises:
            NotFound: there is none.
        """
        found = await self._store.find_one(TEMPLATES, {"nodes.id": node_id})
        template = None if found is None else parse_template(found)
        node = None if template is None else template.find_node(node_id)
        if template is None or node is None:
            raise NotFound("Not found.")
        return template, node

    async def list_templates(self, query: Mapping[str, Any], **how: Any) -> list[TemplateDocument]:
        """Return the templates that match `query`; `how` sorts, skips and limits as `Store.find` does."""
        return [parse_template(each) for each in await self._store.find(TEMPLATES, dict(query), **how)]

    async def count_templates(self, query: Mapping[str, Any]) -> int:
        """Return how many templates match `query`."""
        return await self._store.count(TEMPLATES, query)

    async def find_named(self, name: str, organization: str | None) -> list[TemplateDocument]:
        """Return the templates of this name that a node of `organization` can wrap."""
        query = {"name": name, "organization": organization, "kind": {"$ne": TemplateKind.APPROVAL.value}}
        return await self.list_templates(query, limit=2)

    async def name_templates(self, ids: Iterable[TemplateId]) -> dict[TemplateId, str]:
        """Return the names of the templates `ids`, by id. Leave out those that do not exist."""
        if not (wanted := sorted(set(ids))):
            return {}
        found = await self._store.find(TEMPLATES, {"_id": {"$in": wanted}}, projection={"name": 1})
        return {TemplateId(each["_id"]): each["name"] for each in found}

    async def list_node_ids(self, ids: Sequence[TemplateId]) -> list[TemplateNodeId]:
        """Return the ids of the nodes of the templates `ids`."""
        found = await self._store.find(TEMPLATES, {"_id": {"$in": list(ids)}}, projection={"nodes.id": 1})
        return [TemplateNodeId(node["id"]) for each in found for node in each.get("nodes", ())]

    async def refuse_recursion(self, template: TemplateId, wrapped: Collection[TemplateId]) -> None:
        """Check that no template of `wrapped` leads back to `template`. `save` checks it again, for edits at once.

        Raises:
            TreeRefused: one does.
        """
        await refuse_recursion(self._store, template, wrapped)

    async def take_template_id(self) -> TemplateId:
        """Return the next id of a template."""
        return TemplateId(await self._store.count_up(COUNTERS, "templates"))

    async def take_node_ids(self, n: int) -> list[TemplateNodeId]:
        """Return the next `n` ids of nodes."""
        last = await self._store.count_up(COUNTERS, "template_nodes", n) if n else 0
        return [TemplateNodeId(number) for number in range(last - n + 1, last + 1)]

    async def save(
        self,
        *,
        made: Sequence[TemplateDocument] = (),
        changed: Sequence[TemplateDocument] = (),
        deleted: Sequence[TemplateId] = (),
        once: Once | None = None,
        answer: int | None = None,
        by: str = "",
        also: ChangesWithTemplates | None = None,
    ) -> int | None:
        """Store all of this in one transaction. A changed template must have the `rev` that it was loaded with.

        Return the `answer` of an earlier request with the identity `once`; None: there was none. Without an `answer`
        it is the id of the first template that is `made`. `by` is the subject of the person.

        Raises:
            FieldsRefused: another template of the organization has the name.
            Conflict: a template has changed meanwhile, or `once` was used for another request.
            TreeRefused: with what others have stored meanwhile, a changed template would run within itself.
        """
        turn = await self._store.count_up(COUNTERS, TURNS) if any(map(list_wrapped, changed)) else 0

        async def step(tx: Transaction) -> Decision:
            changes: list[Change] = []
            facts: list[AuditFacts] = []
            for template in (*made, *changed):
                await _check_name(tx, template)
            for template in changed:
                changes += await move_schedules(tx, template)
                current = await tx.find_one(TEMPLATES, {"_id": template.id})
                if current is None or current["rev"] != template.rev:
                    raise Conflict("the template has changed meanwhile", hint="read it again, and repeat the change")
                if current.get("organization") != template.organization:
                    changes += await delete_foreign_links(tx, template)
                before = parse_template(current)
                facts += describe_change(before, template)
                added = list_wrapped(template) - list_wrapped(before)
                if added and await refuse_recursion(tx, template.id, added):
                    changes.append(take_turn(turn))
                fields = make_template_document(template)
                unset = tuple(name for name in _OPTIONAL if name not in fields)
                set_fields = {key: value for key, value in fields.items() if key not in ("_id", "rev")}
                changes.append(Update(TEMPLATES, template.id, set=set_fields, unset=unset, rev=template.rev))
            changes += [Insert(TEMPLATES, make_template_document(template)) for template in made]
            changes += [Delete(TEMPLATES, template_id) for template_id in deleted]
            facts += [row for template in made for row in describe_change(None, template)]
            changes += await self._audit.make_inserts(by, facts)
            changes += [] if also is None else await also(tx)
            first = made[0].id if made and answer is None else answer
            return Decision(changes=tuple(changes), answer=None if once is None else first)

        decided = await self._store.transact(step, once=once)
        if not isinstance(decided, Decision):
            return None if decided.answer is None else int(decided.answer)
        self._tell_deleted(deleted, by)
        return None

    async def find_earlier(self, once: Once | None) -> int | None:
        """Return the answer of an earlier request with the identity `once`; None: there was none.

        Raises:
            Conflict: `once` was used for another request.
        """
        if once is None:
            return None
        found = await self._store.find_repeated(once.inbox_id, once.digest)
        return None if found is None or found.answer is None else int(found.answer)

    def _tell_deleted(self, deleted: Sequence[TemplateId], by: str) -> None:
        if deleted:
            for listener in self.on_deleted:
                listener(deleted, by)

    async def delete_template(self, template: TemplateDocument, *, by: str = "") -> None:
        """Delete a template. Nodes that wrap it wrap nothing from now on; its approvals and schedules go with it.

        Raises:
            TemplateInUse: runs of it are active.
        """
        owned = [node.id for node in template.nodes]

        async def step(tx: Transaction) -> Decision:
            query = {"definition": name_definition(template.id), "status": {"$nin": list(RUN_OVER)}}
            if active := [each["_id"] for each in await tx.find(RUNS, query, projection={"_id": 1})]:
                raise TemplateInUse(active, is_workflow=template.kind is TemplateKind.WORKFLOW)
            changes: list[Change] = [Delete(TEMPLATES, template.id), *await delete_schedules(tx, template.id)]
            changes += await delete_links(tx, template.id)
            if owned:
                approvals = await tx.find(TEMPLATES, {"owned_by": {"$in": owned}}, projection={"_id": 1})
                changes += [Delete(TEMPLATES, each["_id"]) for each in approvals]
            for raw in await tx.find(TEMPLATES, {"nodes.template": template.id}):
                there = parse_template(raw)
                if there.id != template.id:
                    freed = _free_nodes(there.nodes, template)
                    nodes = [_dump_node(node) for node in freed]
                    changes.append(Update(TEMPLATES, there.id, set={"nodes": nodes}, rev=there.rev))
            changes += await self._audit.make_inserts(by, describe_change(template, None))
            return Decision(changes=tuple(changes))

        decided = await self._store.transact(step)
        if isinstance(decided, Decision):
            gone = [
                change.id for change in decided.changes if isinstance(change, Delete) and change.collection == TEMPLATES
            ]
            self._tell_deleted(gone, by)


_OPTIONAL = ("name_key", "organization", "work", "owned_by")


def _free_nodes(nodes: Iterable[TemplateNode], gone: TemplateDocument) -> list[TemplateNode]:
    """Return `nodes`, which do not wrap `gone` any more.

    Its passwords go, too: without `gone` we cannot tell what to mask.
    """
    freed = []
    for node in nodes:
        if node.template == gone.id:
            kept = {key: value for key, value in node.extra_data.items() if key not in gone.survey.passwords}
            node = node.model_copy(update={"template": None, "extra_data": kept})
        freed.append(node)
    return freed


async def _check_name(tx: Transaction, template: TemplateDocument) -> None:
    key = make_name_key(template)
    if key is None:
        return
    other = await tx.find_one(TEMPLATES, {"name_key": key, "_id": {"$ne": template.id}}, {"_id": 1})
    if other is not None:
        what = str(template.kind).replace("_", " ")
        text = f"a {what} with this name and organization already exists: {template.name!r}"
        raise FieldsRefused({"__all__": [text]})


def make_name_key(template: TemplateDocument) -> str | None:
    """Return what no other template may have; None: names of approvals may repeat."""
    if template.kind is TemplateKind.APPROVAL:
        return None
    return f"{template.kind}/{template.organization or ''}/{template.name}"


def _dump_node(node: TemplateNode) -> Document:
    return node.model_dump(exclude_defaults=True)


def make_template_document(template: TemplateDocument) -> Document:
    """Return `template` as MongoDB keeps it."""
    document = template.model_dump(exclude_none=True, exclude={"nodes"})
    document["_id"] = document.pop("id")
    document["nodes"] = [_dump_node(node) for node in template.nodes]
    key = make_name_key(template)
    return document if key is None else {**document, "name_key": key}


def parse_template(document: Document) -> TemplateDocument:
    """Return the template that MongoDB keeps as `document`. Times beyond the longest one count as the longest one.

    Templates from before there was a longest time may have such.
    """
    nodes = [_limit_times(each, "timeout_s") for each in document.get("nodes", ())]
    work = document.get("work")
    limited = {} if work is None else {"work": _limit_times(work, "timeout_s", "timeout")}
    return TemplateDocument.model_validate({**document, "id": document["_id"], "nodes": nodes, **limited})


def _limit_times(document: Document, *names: str) -> Document:
    too_long = {name: MAX_TIMEOUT_S for name in names if (document.get(name) or 0) > MAX_TIMEOUT_S}
    return {**document, **too_long} if too_long else document
