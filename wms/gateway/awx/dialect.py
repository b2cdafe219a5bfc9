"""The dialect "awx": the bodies of its errors, and what its routes have in common."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from runtime.web.callers.gatekeeper import SIGNED_IN
from runtime.web.dialects import Dialect
from schemas.errors import EWMSError
from wms.gateway.awx.shapes.object_paths import PREFIX
from wms.trees.graphs.graph_rules import TreeRefused
from wms.trees.graphs.whole_graph import GraphRefused
from wms.trees.inputs.launch_values import LaunchRefused
from wms.trees.inputs.surveys import SurveyRefused
from wms.trees.template_errors import BadAssociation, FieldsRefused, JobIsActive, TemplateInUse

#: Everybody with a token may ask. The services check each object, and lists have what one may see.
EVERYBODY = frozenset({SIGNED_IN})


class AwxError(BaseModel):
    """An error of this dialect. Refused fields stand in it by their names, with a list of texts each."""

    model_config = ConfigDict(extra="allow")

    detail: str = ""
    #: The remedy, if there is one.
    hint: str = ""


class AwxBody(RootModel[dict[str, Any]]):
    """An object. Fields that its kind does not have are ignored."""


class AwxPage(BaseModel):
    """A page of a list."""

    count: int
    next: str | None
    previous: str | None
    results: list[dict[str, Any]]


class AwxObject(RootModel[dict[str, Any]]):
    """One object, with `id`, `type`, `url`, `related` and `summary_fields`."""


def describe_refusal(code: int, text: str, error: EWMSError | None) -> Mapping[str, Any]:
    """Return the body of an error. Its key says what kind of error it is."""
    match error:
        case FieldsRefused():
            return {name: list(texts) for name, texts in error.fields.items()}
        case TreeRefused():
            return {"Error": f"{text}. {error.hint}." if error.hint else text, "rule": error.rule}
        case GraphRefused():
            return {"Error": text, "faults": list(error.faults), "hint": error.hint}
        case LaunchRefused():
            return {"variables_needed_to_start": list(error.faults)}
        case SurveyRefused():
            return {"error": text}
        case TemplateInUse():
            kind = "workflow_job" if error.is_workflow else "job"
            return {"error": text, "active_jobs": [{"type": kind, "id": job} for job in error.jobs]}
        case BadAssociation():
            return {"msg": text}
        case JobIsActive():
            # Clients compare the whole body.
            return {"detail": text}
        case EWMSError() if error.hint and code < 500:
            return {"detail": text, "hint": error.hint}
        case _:
            return {"detail": text}


AWX = Dialect(
    name="awx",
    prefixes=(PREFIX,),
    describe_error=describe_refusal,
    error_model=AwxError,
    ignores_trailing_slash=True,
    redirects_to_slash=True,
    challenge='Bearer realm="EWMS"',
    about="Templates of decision trees, their launches, their jobs and approvals.",
)
