"""Decide what a launch gives a template: the order of variables, prompts, and what the template did not ask for. (core)

    variables   the template's < the survey's defaults < those of the launch        the stronger stands to the right
    accepted    any key, if the template asks for variables; else only those of its survey
    prompts     the template's < its node's < the launch's, where the template asks for them

Nothing is dropped in silence: a launch answers with `ignored`, and a node or a schedule is refused with what its
template does not ask for.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.automation.surveys import Survey
from schemas.automation.trees import Prompt, TemplateDocument
from schemas.errors import Rejected
from schemas.rules.secret_names import MASK
from wms.engine.life.variables import mask_values
from wms.trees.inputs.surveys import find_defaults, find_survey_faults
from wms.trees.template_errors import FieldsRefused

#: The names of prompts in requests. Variables have two: those of a launch, and those of a node or a schedule.
PROMPT_FIELDS: Mapping[str, Prompt] = {prompt.value: prompt for prompt in Prompt if prompt is not Prompt.VARIABLES}
#: A field of a template -> the prompt that it allows.
ASK_FIELDS: Mapping[str, Prompt] = {
    "ask_variables_on_launch": Prompt.VARIABLES,
    "ask_inventory_on_launch": Prompt.INVENTORY,
    "ask_limit_on_launch": Prompt.LIMIT,
    "ask_scm_branch_on_launch": Prompt.SCM_BRANCH,
    "ask_labels_on_launch": Prompt.LABELS,
    "ask_tags_on_launch": Prompt.JOB_TAGS,
    "ask_skip_tags_on_launch": Prompt.SKIP_TAGS,
}
#: Makes of a secret what may be stored.
Seals = Callable[[Any], Any]


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
    template: TemplateDocument, *, extra_vars: Mapping[str, Any], prompts: Mapping[str, Any], seal: Seals
) -> LaunchValues:
    """Return what a launch with `extra_vars` and `prompts` brings. Its passwords went through `seal`.

    A mask in place of a password means the default.

    Raises:
        LaunchRefused: answers of the survey are missing or wrong.
    """
    survey = template.survey if template.survey_enabled else Survey()
    given = {key: value for key, value in extra_vars.items() if not (key in survey.passwords and value == MASK)}
    accepted, refused = split_variables(template, given)
    defaults = {**template.variables, **find_defaults(survey)}
    if faults := find_survey_faults(survey, accepted):
        raise LaunchRefused(faults)
    # An empty answer is no answer, so the default counts.
    answers = {
        key: value for key, value in accepted.items() if not (key in survey.variables and value in ("", [], None))
    }
    masked = {*survey.passwords, *template.masked}
    taken = {PROMPT_FIELDS[name]: value for name, value in prompts.items() if _asks_for(template, name)}
    ignored = {name: value for name, value in prompts.items() if not _asks_for(template, name)}
    if refused:
        ignored["extra_vars"] = mask_values(refused, masked)
    return LaunchValues(
        variables={**defaults, **{key: seal(value) if key in masked else value for key, value in answers.items()}},
        masked=tuple(sorted(masked)),
        prompts={**template.prompts, **taken},
        ignored=ignored,
    )


def spell_prompts(prompts: Mapping[Prompt, Any]) -> dict[str, Any]:
    """Return prompts by the names that requests and jobs have for them."""
    return {prompt.value: value for prompt, value in prompts.items()}


def list_unasked(prompts: Mapping[Prompt, Any], template: TemplateDocument) -> list[str]:
    """Return the names of those `prompts` that `template` does not ask for. They reach none of its jobs."""
    return [prompt.value for prompt in prompts if prompt not in template.asks]


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
            hint="leave them out, set ask_variables_on_launch there, or name them in its survey",
        )
    if names:
        asks = " and ".join(ask for ask, prompt in ASK_FIELDS.items() if prompt in names)
        raise NotAsked(
            f"{', '.join(names)}: the template {template.name!r} is not configured to prompt for it",
            hint=f"leave it out, or set {asks} there",
        )


def take_secrets(
    given: Mapping[str, Any],
    *,
    stored: Mapping[str, Any],
    kept: Collection[str],
    names: Collection[str],
    seal: Seals,
    field: str = "extra_data",
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return variables as they may be stored, and the names of those that are secret now. `field` is for the error.

    `stored` has the secrets `kept`: for them a mask means the one that is stored. New values of `names` are sealed.

    Raises:
        FieldsRefused: a mask stands for no secret that is stored.
    """
    taken: dict[str, Any] = {}
    masked, faults = [], []
    for key, value in given.items():
        is_kept = key in kept and key in stored
        # Only what is stored itself can be equal to a sealed value, which nobody sees.
        if is_kept and value in (MASK, stored[key]):
            taken[key] = stored[key]
        elif key in {*kept, *names} and value == MASK:
            faults.append(key)
            continue
        else:
            taken[key] = seal(value) if key in names else value
        if key in names or (is_kept and taken[key] == stored[key]):
            masked.append(key)
    if faults:
        named = ", ".join(sorted(faults))
        raise FieldsRefused({field: [f"{named}: {MASK} stands for no password here; give it again"]})
    return taken, tuple(sorted(masked))


def restore_passwords(
    stored: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    masked: Collection[str],
    before: TemplateDocument | None,
    wrapped: TemplateDocument | None,
    seal: Seals,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the variables that a node or a schedule gives to `wrapped` from now on, and the names of the secret ones.

    So far it has given the `stored` ones to `before`; those called `masked` are secret. A mask means the password that
    is stored. No other template gets the passwords of `before`: its survey might not mask them.

    Raises:
        FieldsRefused: a mask stands for no password that is stored.
    """
    secret = {*masked, *find_passwords(before)}
    if before is None or wrapped is None or before.id != wrapped.id:
        # Those that the caller gives now are the caller's own.
        given = {key: value for key, value in given.items() if key not in secret or value != stored.get(key)}
        stored = {}
    names = find_passwords(wrapped)
    return take_secrets(given, stored=stored, kept=secret, names=names, seal=seal)


def seal_variables(before: TemplateDocument, after: TemplateDocument, seal: Seals) -> TemplateDocument:
    """Return a template whose own variables are sealed where its survey makes them secret. Their text would show them,
    so it goes.

    Raises:
        FieldsRefused: a mask stands for no secret that the template had `before`.
    """
    names = after.survey.passwords
    variables, masked = take_secrets(
        after.variables, stored=before.variables, kept=before.masked, names=names, seal=seal, field="extra_vars"
    )
    text = "" if masked else after.extra_vars
    return after.model_copy(update={"variables": variables, "masked": masked, "extra_vars": text})


def find_passwords(template: TemplateDocument | None) -> frozenset[str]:
    """Return the names of the variables that the survey of a template, if there is one, makes secret."""
    return frozenset() if template is None else template.survey.passwords


def mask_extra_data(
    values: Mapping[str, Any], wrapped: TemplateDocument | None, masked: Collection[str] = ()
) -> dict[str, Any]:
    """Return the variables of a node or a schedule for somebody's eyes. Those called `masked` are secret.

    `wrapped` is its template, whose survey names passwords.
    """
    return mask_values(values, {*masked, *find_passwords(wrapped)})
