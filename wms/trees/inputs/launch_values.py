"""Decide what a launch gives a template: the order of variables, prompts, and what the template did not ask for. (core)

    variables   the template's < the survey's defaults < those of the launch        the stronger stands to the right
    accepted    any key, if the template asks for variables; else only those of its survey
    prompts     the template's < its node's < the launch's, where the template asks for them

Nothing is dropped in silence: a launch answers with `ignored`, and a node or a schedule is refused with what its
template does not ask for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import Rejected
from schemas.surveys import Survey
from schemas.trees import Prompt, TemplateDocument
from wms.engine.life.variables import MASK, mask_values, unmask_values
from wms.trees.inputs.surveys import find_defaults, find_survey_faults
from wms.trees.template_errors import FieldsRefused

#: The names of prompts in requests. Variables have two: those of a launch, and those of a node or a schedule.
PROMPT_FIELDS: Mapping[str, Prompt] = {prompt.value: prompt for prompt in Prompt if prompt is not Prompt.VARIABLES}


class LaunchRefused(Rejected):
    """The launch lacks what the template needs. `faults` has one text for each."""

    def __init__(self, faults: Collection[str]) -> None:
        super().__init__(f"the survey is not answered: {'; '.join(faults)}", hint="give the variables in extra_vars")
        self.faults = tuple(faults)


class NotAsked(Rejected):
    """A node or a schedule gives what its template does not ask for."""


@dataclass(frozen=True, slots=True)
class LaunchValues:
    """What a launch brings, after the merge."""

    variables: Mapping[str, Any]
    #: The variables whose values are secret.
    masked: tuple[str, ...] = ()
    prompts: Mapping[Prompt, Any] = field(default_factory=dict)
    #: What the launch gave and the template does not ask for, by the names of the request.
    ignored: Mapping[str, Any] = field(default_factory=dict)


def merge_launch_values(
    template: TemplateDocument, *, extra_vars: Mapping[str, Any], prompts: Mapping[str, Any]
) -> LaunchValues:
    """Return what a launch with `extra_vars` and `prompts` brings.

    Raises:
        LaunchRefused: answers of the survey are missing or wrong.
    """
    survey = template.survey if template.survey_enabled else Survey()
    accepted, refused = split_variables(template, extra_vars)
    defaults = {**template.variables, **find_defaults(survey)}
    if faults := find_survey_faults(survey, accepted):
        raise LaunchRefused(faults)
    # An empty answer is no answer, so the default counts.
    answers = {
        key: value for key, value in accepted.items() if not (key in survey.variables and value in ("", [], None))
    }
    taken = {PROMPT_FIELDS[name]: value for name, value in prompts.items() if _asks_for(template, name)}
    ignored = {name: value for name, value in prompts.items() if not _asks_for(template, name)}
    if refused:
        ignored["extra_vars"] = {key: MASK if key in survey.passwords else value for key, value in refused.items()}
    return LaunchValues(
        variables={**defaults, **answers},
        masked=tuple(sorted(survey.passwords)),
        prompts={**template.prompts, **taken},
        ignored=ignored,
    )


def write_prompts(prompts: Mapping[Prompt, Any]) -> dict[str, Any]:
    """Return the state with which a job keeps its prompts; empty: it has none."""
    return {"prompts": {prompt.value: value for prompt, value in prompts.items()}} if prompts else {}


def split_variables(template: TemplateDocument, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two parts of `given`: the variables that `template` asks for, and the others."""
    if Prompt.VARIABLES in template.asks:
        return dict(given), {}
    named = template.survey.variables if template.survey_enabled else frozenset()
    accepted = {key: value for key, value in given.items() if key in named}
    return accepted, {key: value for key, value in given.items() if key not in named}


def _asks_for(template: TemplateDocument, name: str) -> bool:
    return name in PROMPT_FIELDS and PROMPT_FIELDS[name] in template.asks


def check_saved_values(
    template: TemplateDocument, *, extra_data: Mapping[str, Any], prompts: Mapping[str, Any]
) -> None:
    """Check that a node or a schedule gives only what `template` asks for.

    Raises:
        NotAsked: it gives more; the error names the fields.
    """
    _, refused = split_variables(template, extra_data)
    names = [name for name, value in prompts.items() if value not in (None, "", []) and not _asks_for(template, name)]
    if refused:
        named = ", ".join(sorted(refused))
        raise NotAsked(
            f"extra_data: variables {named}: the template {template.name!r} is not configured to prompt for them",
            hint="set ask_variables_on_launch, or name them in its survey",
        )
    if names:
        raise NotAsked(
            f"{', '.join(names)}: the template {template.name!r} is not configured to prompt for it",
            hint=f"set ask_{names[0]}_on_launch",
        )


def restore_passwords(
    stored: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    before: TemplateDocument | None,
    wrapped: TemplateDocument | None,
) -> dict[str, Any]:
    """Return the variables that a node, or a schedule, gives to `wrapped` from now on.

    So far it has given the `stored` ones to `before`. A mask means the password that is stored. No other template gets
    the passwords of `before`: its survey might not mask them.

    Raises:
        FieldsRefused: a mask stands for no password that is stored.
    """
    is_same = before is not None and wrapped is not None and before.id == wrapped.id
    secret = frozenset[str]() if before is None else before.survey.passwords
    if not is_same:
        # Those that the caller gives now are the caller's own.
        given = {key: value for key, value in given.items() if key not in secret or value != stored.get(key)}
    restored = unmask_values(given, stored if is_same else {}, secret)
    names = secret | (frozenset[str]() if wrapped is None else wrapped.survey.passwords)
    if masked := sorted(key for key in names if restored.get(key) == MASK):
        raise FieldsRefused({"extra_data": [f"{', '.join(masked)}: {MASK} stands for no password here; give it again"]})
    return restored


def mask_extra_data(values: Mapping[str, Any], wrapped: TemplateDocument | None) -> dict[str, Any]:
    """Return the variables of a node or a schedule for somebody's eyes.

    `wrapped` is its template, whose survey names passwords.
    """
    return mask_values(values, frozenset[str]() if wrapped is None else wrapped.survey.passwords)
