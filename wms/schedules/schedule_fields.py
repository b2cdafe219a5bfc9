"""Read the fields of a schedule from a request, and check them against its template. (core)"""

from collections.abc import Mapping
from typing import Any

from schemas.automation.schedules import ScheduleDocument
from schemas.automation.trees import Prompt, TemplateDocument
from schemas.errors import Rejected
from wms.schedules.due import plan_times
from wms.schedules.rule_text import read_recurrence
from wms.trees.inputs.launch_values import check_saved_values, merge_launch_values, spell_prompts
from wms.trees.templates.template_fields import FieldReader, read_boolean, read_name, read_text, read_variables

#: The most occurrences of a preview, and how many it has if the request names no number.
MAX_PREVIEW, PREVIEW = 100, 10
#: The longest start deadline: a year.
MAX_DEADLINE_S = 366 * 24 * 3600


def read_schedule_fields(raw: Mapping[str, Any], before: ScheduleDocument | None) -> dict[str, Any]:
    """Return the fields of a schedule that the request `raw` sets, by name. Leave out `unified_job_template`.

    `before` is the schedule as stored; None for a new one.

    Raises:
        FieldsRefused: fields are missing or wrong.
    """
    reader = FieldReader(raw)
    reader.read("name", read_name, needed=before is None)
    reader.read("description", read_text)
    reader.read("enabled", read_boolean)
    reader.read("skip_if_running", read_boolean)
    reader.read("extra_data", lambda value: read_variables(value)[1])
    reader.read("rrule", _check_rule, needed=before is None)
    if "start_deadline_s" in raw:
        reader.fields["start_deadline_s"] = reader.convert("start_deadline_s", _read_deadline)
    prompts = reader.read_prompts({} if before is None else before.prompts)
    for prompt in (Prompt.LABELS, Prompt.INVENTORY):
        if prompt.value in raw:
            prompts[prompt] = raw[prompt.value]
    reader.fields["prompts"] = {prompt: value for prompt, value in prompts.items() if value not in ("", None, [])}
    return reader.finish()


def _read_deadline(raw: Any) -> int | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= MAX_DEADLINE_S:
        raise Rejected(f"must be a whole number of seconds from 1 to {MAX_DEADLINE_S}, or null for no deadline")
    return raw


def _check_rule(raw: Any) -> str:
    text = read_text(raw).strip()
    if plan_times(read_recurrence(text)).starts_at is None:
        raise Rejected("the rule never occurs, up to the year 2399; correct the part that no date fits")
    return text


def read_preview_fields(raw: Mapping[str, Any]) -> tuple[str, int]:
    """Return the rule's text in a request for a preview, and how many occurrences the answer shall have.

    Raises:
        FieldsRefused: fields are missing or wrong.
    """
    reader = FieldReader(raw)
    reader.read("rrule", _check_rule, needed=True)
    reader.read("count", _read_count)
    fields = reader.finish()
    return fields["rrule"], fields.get("count", PREVIEW)


def _read_count(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= MAX_PREVIEW:
        raise Rejected(f"must be a whole number from 1 to {MAX_PREVIEW}")
    return raw


def check_values_at_save(schedule: ScheduleDocument, template: TemplateDocument, extra_data: Mapping[str, Any]) -> None:
    """Check what `schedule` gives, as `check_values` does, but take all variables while the survey is still to come.

    `awx import` makes a template with `survey_enabled`, then its schedules, and then its survey. The launch checks the
    answers.

    Raises:
        NotAsked: the template does not ask for one of them.
        LaunchRefused: answers of the template's survey are missing or wrong.
    """
    is_survey_to_come = template.survey_enabled and not template.survey.spec
    check_values(schedule, template, {} if is_survey_to_come else extra_data)


def check_values(schedule: ScheduleDocument, template: TemplateDocument, extra_data: Mapping[str, Any]) -> None:
    """Check that `template` takes what `schedule` gives to each launch. `extra_data` has its variables, decrypted.

    Raises:
        NotAsked: the template does not ask for one of them.
        LaunchRefused: answers of the template's survey are missing or wrong.
    """
    prompts = spell_prompts(schedule.prompts)
    check_saved_values(template, extra_data=extra_data, prompts=prompts)
    merge_launch_values(template, extra_vars=extra_data, prompts=prompts, seal=lambda value: value)
