"""Questions about user code, which WMS asks a step worker before WMS stores anything.

    WMS ── evaluate-start, evaluate-resume, read-gate-rules ──► a step worker that offers the definition
        ◄── form-evaluated, gate-rules-read ──────────────────

A form, a predicate and an authorization callback change nothing, so WMS may ask again. WMS names one worker; see
`schemas.broker.topology.worker_address`.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.broker.services import Service
from schemas.engine.start_gates import GateSettings
from schemas.ids import DefinitionHash, NodeKey, RunUuid
from schemas.questions.bases import Answer, Question
from schemas.stored_enum import StoredEnum


class ActingUser(BaseModel):
    """The person who starts or resumes a process, as authorization callbacks get that person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    roles: tuple[str, ...] = ()

    @property
    def user_name(self) -> str:
        """The user's name, under the word that callbacks of orchestrator-core read."""
        return self.name


class StepsQuestion(Question):
    """A question about the code of one definition."""

    TO: ClassVar = Service.STEPS

    definition: str
    definition_hash: DefinitionHash


class EvaluateStart(StepsQuestion):
    """WMS asks whether the user may start a process, and how its form answers these pages."""

    kind: Literal["evaluate-start"] = "evaluate-start"

    run_uuid: RunUuid
    #: The state before the form. The form gets a copy.
    state: dict[str, Any]
    pages: tuple[dict[str, Any], ...]
    user: ActingUser
    #: Whether to ask the authorization callback, and the run predicate. If neither, only the form is evaluated.
    checks_user: bool = True
    checks_predicate: bool = True


class EvaluateResume(StepsQuestion):
    """WMS asks whether the user may resume a process at this node, and how the node's form answers these pages."""

    kind: Literal["evaluate-resume"] = "evaluate-resume"

    run_uuid: RunUuid
    node: NodeKey
    state: dict[str, Any]
    pages: tuple[dict[str, Any], ...] = ()
    user: ActingUser
    #: Whether the node waits for input. If not, the user wants the step to be called again, and there is no form.
    has_form: bool
    checks_user: bool = True


class ReadGateRules(StepsQuestion):
    """WMS asks on which subscriptions workflows may start. User code can change these, so WMS asks each time."""

    kind: Literal["read-gate-rules"] = "read-gate-rules"


class FormVerdict(StoredEnum):
    """The result of an evaluation of a form by a step worker."""

    #: The user may, and the form has all its pages.
    COMPLETE = "complete"
    #: The form asks for another page.
    INCOMPLETE = "incomplete"
    INVALID = "invalid"
    #: There are more pages than the form asks for.
    TOO_MANY_PAGES = "too-many-pages"
    #: The run predicate does not allow the start.
    REFUSED = "refused"
    #: An authorization callback does not allow it.
    FORBIDDEN = "forbidden"
    #: The user code raised an exception, or took too long.
    FAILED = "failed"
    #: This worker does not offer the definition.
    NOT_OFFERED = "not-offered"


class FormEvaluated(Answer):
    """The result of an evaluation of a form by a step worker, with the reason."""

    kind: Literal["form-evaluated"] = "form-evaluated"

    verdict: FormVerdict
    #: What a complete form returns.
    values: dict[str, Any] = Field(default_factory=dict)
    #: The JSON schema of the next page, and further data about that page.
    form: dict[str, Any] = Field(default_factory=dict)
    meta: Any = None
    #: The faults of a page: `loc`, `msg`, `type`.
    errors: tuple[dict[str, Any], ...] = ()
    reason: str = ""


class GateRulesRead(Answer):
    """The settings of all workflows of the worker at this moment; see `schemas.engine.start_gates.GateSettings`."""

    kind: Literal["gate-rules-read"] = "gate-rules-read"

    usable_map: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    blocked_by_users: dict[str, bool] = Field(default_factory=dict)
    usable_out_of_sync: tuple[str, ...] = ()

    def make_settings(self) -> GateSettings:
        """Return the settings in the form that the rule (`find_start_obstacles`) needs."""
        return GateSettings(
            usable_map=self.usable_map,
            blocked_by_users=self.blocked_by_users,
            usable_out_of_sync=self.usable_out_of_sync,
        )
