"""Encrypt the secrets of templates, schedules, tasks and runs again when WMS starts: a new key replaces an old one.

    templates, schedules, the
    catalogue's tasks, the
    organizations' secrets   at each start; secrets from before there was encryption become encrypted, too
    texts of task directives if there are several keys
    runs, and their logs     if there are several keys, in the background: there may be very many

A worker or another WMS may still leave an older secret meanwhile. So the runs are read until none is found.

A document changes only if nothing else has changed it meanwhile; then it is read again. Notification templates have
the same in `wms.notifications`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from runtime.kernel.decision import Document, Update, change_filter, update_operators
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.automation.catalogue import CATALOGUE_TASKS
from schemas.automation.schedules import SCHEDULES
from schemas.automation.stored_secrets import ORGANIZATION_SECRETS
from schemas.automation.surveys import QuestionType
from schemas.automation.trees import TEMPLATES, TemplateDocument, TemplateNode
from schemas.engine.run_documents import RUN_LOG, RUNS, LogRow, RunDocument
from schemas.errors import Broken
from schemas.fleet.documents import TASK_DIRECTIVES
from schemas.ids import TemplateId
from wms.encryption import SecretKeys, is_sealed
from wms.engine import repository
from wms.schedules.schedule_store import make_schedule_document, parse_schedule
from wms.trees.inputs.surveys import map_passwords
from wms.trees.templates.template_store import make_template_document, parse_template

#: The documents that one query reads.
_BATCH = 100
#: How often the runs are read at one start.
_MAX_PASSES = 5
#: Selects the runs that have secrets.
_WITH_SECRETS: Mapping[str, Any] = {"$or": [{"masked": {"$exists": True}}, {"graph.nodes.masked": {"$exists": True}}]}

#: The template -> the names of the variables that its survey makes secret.
Passwords = Mapping[TemplateId, frozenset[str]]


class SecretRotation:
    """Encrypts the secrets of one database again."""

    def __init__(self, store: Store, keys: SecretKeys) -> None:
        self._store = store
        self._keys = keys
        self._is_stopping = False
        self._n_changed = 0

    def stop(self) -> None:
        """Stop after the current document. The next start goes on."""
        self._is_stopping = True

    async def encrypt_documents(self) -> None:
        """Encrypt all secrets but those of runs with the first key."""
        await self.encrypt_templates()
        await self.encrypt_texts(CATALOGUE_TASKS, "secret")
        await self.encrypt_texts(ORGANIZATION_SECRETS, "value")
        if self._keys.has_old_keys:
            await self.encrypt_texts(TASK_DIRECTIVES, "sealed_texts", {"sealed_texts": {"$gt": ""}})

    async def encrypt_templates(self) -> None:
        """Encrypt the secrets of all templates and schedules with the first key."""
        if not self._keys.has_keys:
            return
        asking = await self._store.find(TEMPLATES, {"survey.spec.type": QuestionType.PASSWORD.value})
        passwords = {each.id: each.survey.passwords for each in map(parse_template, asking)}
        of_password, with_secrets = {"$in": sorted(passwords)}, {"$exists": True, "$ne": []}
        templates = [{"_id": of_password}, {"nodes.template": of_password}, {"masked": with_secrets}]

        def change_template(raw: Document) -> Document | None:
            template = parse_template(raw)
            after = reseal_template(template, passwords, self._reseal)
            return None if after == template else make_template_document(after)

        def change_schedule(raw: Document) -> Document | None:
            schedule = parse_schedule(raw)
            names = {*schedule.masked, *passwords.get(schedule.template, ())} & schedule.extra_data.keys()
            fields = {"extra_data": self._reseal_values(schedule.extra_data, names), "masked": tuple(sorted(names))}
            after = schedule.model_copy(update=fields)
            return None if after == schedule else make_schedule_document(after)

        await self._change_all(TEMPLATES, {"$or": templates}, change_template)
        schedules = [{"template": of_password}, {"masked": with_secrets}]
        await self._change_all(SCHEDULES, {"$or": schedules}, change_schedule)

    async def encrypt_texts(self, collection: str, field: str, query: Mapping[str, Any] | None = None) -> None:
        """Encrypt the secret that each document of a collection has in `field` with the first key.

        `query` selects the documents that have one; None: all have.
        """
        if not self._keys.has_keys:
            return

        def change_text(raw: Document) -> Document | None:
            after = self._reseal(raw[field])
            return None if after == raw[field] else {field: after}

        await self._change_all(collection, query or {}, change_text)

    async def encrypt_runs(self) -> None:
        """Encrypt the secrets of all runs with the first key, if there are several. The log says when it is done."""
        if not self._keys.has_old_keys:
            return
        for _ in range(_MAX_PASSES):
            n_before = self._n_changed
            if not await self._change_all(RUNS, _WITH_SECRETS, self._change_run, also=self._encrypt_log):
                return
            if self._n_changed == n_before:
                log.info("the secrets of all runs have the first key")
                return
        log.warning(
            "runs still get secrets with an older key", hint="give all WMSs the same keys, and start this again"
        )

    def _change_run(self, raw: Document) -> Document | None:
        run = repository.parse_run(raw)
        after = reseal_run(run, self._reseal)
        if after == run:
            return None
        # The engine moves rows out of the log of a run at any time.
        return {key: value for key, value in repository.make_document(after).items() if key != "log"}

    async def _encrypt_log(self, raw: Document) -> None:
        """Encrypt the secrets in the log of a run, and move to `run_log` what the run still has of it."""
        run = await repository.load_run(self._store, raw["_id"])
        if run is None:
            return
        if any(self._is_old(row, run.masked) for row in run.log):
            await repository.move_log(self._store, run.id, run.log)
        # Rows that WMS has moved itself meanwhile are there, too: it inserts a row before it takes it out of the run.
        rows = [LogRow.model_validate(each) for each in await self._store.find(RUN_LOG, {"run": run.id})]
        changes = [self._change_row(row, run.masked) for row in rows if self._is_old(row, run.masked)]
        await self._store.bulk_update(RUN_LOG, changes)
        self._n_changed += len(changes)

    def _is_old(self, row: LogRow, masked: Collection[str]) -> bool:
        return any(name in row.delta and not self._keys.has_first_key(row.delta[name]) for name in masked)

    def _change_row(self, row: LogRow, masked: Collection[str]) -> tuple[Document, Document]:
        delta = self._reseal_values(row.delta, masked)
        return {"run": row.run, "number": row.number}, {"$set": {"delta": delta}}

    async def _change_all(
        self,
        collection: str,
        query: Mapping[str, Any],
        change: Callable[[Document], Document | None],
        *,
        also: Callable[[Document], Awaitable[None]] | None = None,
    ) -> bool:
        """Change the documents that match `query`. Return whether all of them are changed."""
        last: Any = None
        is_done = True
        while not self._is_stopping:
            following = query if last is None else {"$and": [query, {"_id": {"$gt": last}}]}
            found = await self._store.find(collection, following, sort=[("_id", 1)], limit=_BATCH)
            for raw in found:
                is_done &= await self._change_one(collection, raw["_id"], change, also)
            if len(found) < _BATCH:
                return is_done
            last = found[-1]["_id"]
        return False

    async def _change_one(
        self,
        collection: str,
        document_id: Any,
        change: Callable[[Document], Document | None],
        also: Callable[[Document], Awaitable[None]] | None,
    ) -> bool:
        try:
            found = await self._reseal_document(collection, document_id, change)
            if found is not None and also is not None:
                await also(found)
        except Broken as error:
            log.error("a secret fits no key", collection=collection, id=document_id, hint=error.hint)
            return False
        return True

    async def _reseal_document(
        self, collection: str, document_id: Any, change: Callable[[Document], Document | None]
    ) -> Document | None:
        """Change a document, and return it as it was; None: it is gone."""
        while (raw := await self._store.find_one(collection, {"_id": document_id})) is not None:
            after = change(raw)
            if after is None:
                break
            fields = {key: value for key, value in after.items() if key not in ("_id", "rev")}
            # Task directives have no `rev`: nothing else changes them.
            update = Update(collection, document_id, set=fields, rev=raw.get("rev"))
            if await self._store.compare_and_set(collection, change_filter(update), update_operators(update)):
                self._n_changed += 1
                break
        return raw

    def _reseal(self, value: Any) -> Any:
        if is_sealed(value) and (not self._keys.has_old_keys or self._keys.has_first_key(value)):
            return value
        return self._keys.seal(self._keys.unseal(value))

    def _reseal_values(self, values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
        return reseal_values(values, names, self._reseal)


def reseal_values(values: Mapping[str, Any], names: Collection[str], reseal: Callable[[Any], Any]) -> dict[str, Any]:
    """Return `values`, with `reseal` applied to those of the keys `names`."""
    return {key: reseal(value) if key in names else value for key, value in values.items()}


def reseal_template(template: TemplateDocument, passwords: Passwords, reseal: Callable[[Any], Any]) -> TemplateDocument:
    """Return a template whose secrets, and those that it gives to other templates, went through `reseal`."""
    names = {*template.masked, *template.survey.passwords} & template.variables.keys()

    def change_node(node: TemplateNode) -> TemplateNode:
        given = {*node.masked, *passwords.get(node.template or TemplateId(0), ())} & node.extra_data.keys()
        extra_data = reseal_values(node.extra_data, given, reseal)
        return node.model_copy(update={"extra_data": extra_data, "masked": tuple(sorted(given))})

    return template.model_copy(
        update={
            "survey": map_passwords(template.survey, reseal),
            "variables": reseal_values(template.variables, names, reseal),
            "masked": tuple(sorted(names)),
            "extra_vars": "" if names else template.extra_vars,
            "nodes": tuple(map(change_node, template.nodes)),
        }
    )


def reseal_run(run: RunDocument, reseal: Callable[[Any], Any]) -> RunDocument:
    """Return a run whose secrets went through `reseal`: its own, those of its nodes, and those of its graph."""
    names = run.masked
    specs = tuple(
        node.model_copy(update={"params": reseal_values(node.params, node.masked, reseal)}) for node in run.graph.nodes
    )
    return run.model_copy(
        update={
            "params": reseal_values(run.params, names, reseal),
            "state": reseal_values(run.state, names, reseal),
            "pages": None if run.pages is None else tuple(reseal_values(each, names, reseal) for each in run.pages),
            "graph": run.graph.model_copy(update={"nodes": specs}),
            "nodes": tuple(
                state.model_copy(update={"artifacts": reseal_values(state.artifacts, names, reseal)})
                for state in run.nodes
            ),
        }
    )
