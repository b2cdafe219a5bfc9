"""Create, change and delete schedules, for principals. Who may launch a template may schedule it."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runtime.clock import stored_now
from runtime.once import Once
from schemas.automation.schedules import Identity, ScheduleDocument
from schemas.automation.trees import Prompt, TemplateDocument, TemplateKind
from schemas.errors import Rejected
from schemas.ids import ScheduleId, TemplateId
from wms.encryption import SecretKeys
from wms.schedules.due import plan_times
from wms.schedules.occurrences import find_next, list_occurrences
from wms.schedules.recurrence import Recurrence, show_until
from wms.schedules.rule_text import read_recurrence
from wms.schedules.schedule_fields import check_values_at_save, read_preview_fields, read_schedule_fields
from wms.schedules.schedule_store import ScheduleStore
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right, find_delegated, make_tree_filter
from wms.trees.inputs.launch_values import restore_passwords
from wms.trees.object_ids import is_like_id, read_object_id
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.label_service import LabelService
from wms.trees.templates.template_store import TemplateStore


class ScheduleService:
    """The rules for the schedules of all templates: who may do what."""

    def __init__(
        self, schedules: ScheduleStore, templates: TemplateStore, labels: LabelService, keys: SecretKeys
    ) -> None:
        self._schedules = schedules
        self._labels = labels
        self._keys = keys
        self._templates = templates

    async def get_schedule(
        self, principal: Principal, schedule_id: ScheduleId, action: Action = Action.SEE_TREE
    ) -> ScheduleDocument:
        """Return the schedule, if the principal may do `action` to it.

        Raises:
            NotFound: there is no such schedule.
            Forbidden: the principal may not do `action` to it.
        """
        schedule = await self._schedules.load_schedule(schedule_id)
        check_tree_right(principal, action, schedule.organization, [schedule.template])
        return schedule

    async def list_schedules(
        self, principal: Principal, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[ScheduleDocument], int]:
        """Return a page of the schedules that match `query` and that the principal may see, and the number of all such
        schedules.
        """
        wanted = {"$and": [dict(query), _make_filter(principal, "template")]}
        found = await self._schedules.list_schedules(wanted, sort=list(sort), skip=skip, limit=limit)
        return found, await self._schedules.count_schedules(wanted)

    async def load_schedules(self, ids: Iterable[ScheduleId]) -> dict[ScheduleId, ScheduleDocument]:
        """Return the schedules `ids`, by id. Leave out those that do not exist."""
        wanted = sorted(set(ids))
        found = await self._schedules.list_schedules({"_id": {"$in": wanted}}) if wanted else []
        return {each.id: each for each in found}

    async def find_next_runs(self, templates: Iterable[TemplateId]) -> dict[TemplateId, datetime]:
        """Return when schedules launch these templates next. Leave out templates that none launches any more."""
        return await self._schedules.find_next_runs(templates)

    async def create_schedule(
        self,
        principal: Principal,
        owner: Identity,
        raw: Mapping[str, Any],
        *,
        template_id: TemplateId | None = None,
        once: Once | None = None,
    ) -> ScheduleDocument:
        """Create a schedule from the fields of the request `raw`, and return it. WMS will launch in the name of
        `owner`.

        If `template_id` is None, the request names the template.

        Raises:
            FieldsRefused: fields are wrong, the name is taken, or there is no such template.
            Forbidden: the principal may not launch the template.
            NotAsked: the schedule gives a value for which the template does not ask.
            LaunchRefused: answers of the template's survey are missing or wrong.
            Conflict: `once` was used for another request.
        """
        fields = await asyncio.to_thread(read_schedule_fields, raw, None)
        template = await self._find_template(principal, raw.get("unified_job_template"), template_id)
        given = fields.pop("extra_data", {})
        now = stored_now()
        extra_data, masked = restore_passwords(
            {}, given, masked=(), before=None, wrapped=template, seal=self._keys.seal
        )
        schedule = ScheduleDocument(
            id=await self._schedules.take_schedule_id(),
            template=template.id,
            organization=template.organization,
            extra_data=extra_data,
            masked=masked,
            owner=owner,
            decided_until=now,
            starts_at=now,
            created=now,
            modified=now,
            modified_by=principal.subject,
            **fields,
        )
        await self._check_values(schedule, template)
        return await self._schedules.add_schedule(await _set_times(schedule, is_new_rule=True), once)

    async def change_schedule(
        self, principal: Principal, owner: Identity, schedule_id: ScheduleId, raw: Mapping[str, Any]
    ) -> ScheduleDocument:
        """Set the fields in the request `raw`, and return the changed schedule.

        `owner` is the user who changes the schedule. Who changes what the schedule launches, or when, becomes its
        owner: otherwise a user could launch in another's name, and then approve that job.

        Raises:
            NotFound: there is no such schedule.
            Forbidden: the principal may not launch the schedule's old or new template.
            FieldsRefused: fields are wrong, the name is taken, or there is no such template.
            NotAsked: the schedule gives a value for which the template does not ask.
            LaunchRefused: answers of the template's survey are missing or wrong.
            Conflict: another request has changed the schedule meanwhile.
        """
        before = await self.get_schedule(principal, schedule_id, Action.LAUNCH_TREE)
        fields = await asyncio.to_thread(read_schedule_fields, raw, before)
        named = raw.get("unified_job_template") or before.template
        template = await self._find_template(principal, named, None)
        wrapped = template if template.id == before.template else await self._templates.find_template(before.template)
        given = fields.get("extra_data", before.extra_data)
        fields["extra_data"], fields["masked"] = restore_passwords(
            before.extra_data, given, masked=before.masked, before=wrapped, wrapped=template, seal=self._keys.seal
        )
        changed = before.model_copy(
            update={
                **fields,
                "template": template.id,
                "organization": template.organization,
                "modified": stored_now(),
                "modified_by": principal.subject,
            }
        )
        if before.owner.subject == owner.subject or differs_in_launches(before, changed):
            changed = changed.model_copy(update={"owner": owner})
        await self._check_values(changed, template)
        is_new = changed.rrule != before.rrule or (changed.enabled and not before.enabled)
        return await self._schedules.change_schedule(await _set_times(changed, is_new_rule=is_new))

    async def _check_values(self, schedule: ScheduleDocument, template: TemplateDocument) -> None:
        check_values_at_save(schedule, template, self._keys.unseal_values(schedule.extra_data, schedule.masked))
        if (labels := schedule.prompts.get(Prompt.LABELS)) is not None:
            _ = await self._labels.name_labels(template.organization, labels)

    async def delete_schedule(self, principal: Principal, schedule_id: ScheduleId) -> None:
        """Delete a schedule. The jobs that it has launched stay.

        Raises:
            NotFound: there is no such schedule.
            Forbidden: the principal may not launch its template.
        """
        await self.get_schedule(principal, schedule_id, Action.LAUNCH_TREE)
        await self._schedules.delete_schedule(schedule_id, by=principal.subject)

    async def preview(self, raw: Mapping[str, Any]) -> tuple[Recurrence, list[datetime]]:
        """Return the rule that `raw` gives, and its next occurrences. This needs no schedule, and stores nothing.

        Raises:
            FieldsRefused: there is no rule, or it is wrong.
        """

        def read() -> tuple[Recurrence, list[datetime]]:
            text, n = read_preview_fields(raw)
            recurrence = read_recurrence(text)
            return recurrence, list_occurrences(recurrence, stored_now(), n)

        try:
            return await asyncio.to_thread(read)
        except FieldsRefused:
            raise
        except Rejected as fault:
            raise FieldsRefused({"rrule": [fault.reason]}) from fault

    async def _find_template(self, principal: Principal, raw: Any, template_id: TemplateId | None) -> TemplateDocument:
        """Return the template that a request names by its id, or by a name that is unique among those that one sees.

        Raises:
            FieldsRefused: there is none.
            Forbidden: the principal may not launch it.
        """
        if template_id is not None:
            template = await self._templates.load_template(template_id)
        elif raw is None or raw == "":
            raise FieldsRefused({"unified_job_template": ["This field is required."]})
        elif is_like_id(raw):
            number = read_object_id(raw)
            found = None if number is None else await self._templates.find_template(TemplateId(number))
            if found is None:
                shown = "" if number is None else f' "{number}"'
                raise FieldsRefused({"unified_job_template": [f"Invalid pk{shown} - object does not exist."]})
            template = found
        else:
            template = await self._find_named(principal, str(raw))
        if template.kind is TemplateKind.APPROVAL:
            raise FieldsRefused({"unified_job_template": ["an approval has no launch, so it has no schedule"]})
        check_tree_right(principal, Action.LAUNCH_TREE, template.organization, [template.id])
        return template

    async def _find_named(self, principal: Principal, name: str) -> TemplateDocument:
        query = {"name": name, "kind": {"$ne": TemplateKind.APPROVAL.value}}
        found = await self._templates.list_templates({"$and": [query, _make_filter(principal, "_id")]}, limit=2)
        if len(found) != 1:
            n = "several templates are" if found else "no template is"
            raise FieldsRefused({"unified_job_template": [f"{n} called {name!r}; give an id"]})
        return found[0]


#: The fields of a schedule that say nothing about its launches.
_ABOUT_ITSELF = {"name", "description", "organization", "modified", "modified_by"}


def differs_in_launches(before: ScheduleDocument, after: ScheduleDocument) -> bool:
    """Return whether `after` launches something else than `before`, or at other times."""
    # As JSON: in Python `1` equals `true`, and their jobs differ.
    dumped = [each.model_dump(mode="json", exclude=_ABOUT_ITSELF) for each in (before, after)]
    first, second = (json.dumps(each, sort_keys=True) for each in dumped)
    return first != second


def _make_filter(principal: Principal, field: str) -> dict[str, Any]:
    """Return the MongoDB filter for the schedules that a principal may see. The document's `field` has the template's
    id.
    """
    delegated = find_delegated(principal, Action.SEE_TREE)
    return make_tree_filter(principal, {field: {"$in": delegated}} if delegated else None)


async def _set_times(schedule: ScheduleDocument, *, is_new_rule: bool) -> ScheduleDocument:
    """Return a schedule with the times of its rule. With a new rule, only what comes from now on counts."""
    decided_until = max(schedule.decided_until, stored_now()) if is_new_rule else schedule.decided_until

    def find_times() -> dict[str, Any]:
        recurrence = read_recurrence(schedule.rrule)
        times = plan_times(recurrence)
        next_at = find_next(recurrence, decided_until) if schedule.enabled else None
        return {
            "starts_at": times.starts_at or schedule.starts_at,
            "ends_at": times.ends_at,
            "wake_at": next_at,
            "zone": recurrence.zone.key,
            "until": show_until(recurrence),
        }

    try:
        times = await asyncio.to_thread(find_times)
    except Rejected as fault:
        raise FieldsRefused({"rrule": [fault.reason]}) from fault
    return schedule.model_copy(update={**times, "decided_until": decided_until})
