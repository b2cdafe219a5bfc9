"""Turn a step worker's verdict on a form into the form's values, or into an error for the sender of the pages. (core)

incomplete        FormNotCompleteError   510   members: form, meta
invalid           FormValidationError    400   members: validation_errors
too many pages    FormOverflowError      400
refused           PredicateRefused       412
forbidden         Forbidden              403
failed            UserCodeFailed         500
"""

from collections.abc import Mapping
from typing import Any

from schemas.errors import Broken, Forbidden, Rejected
from schemas.questions.step_code import FormEvaluated, FormVerdict


class FormNotCompleteError(Rejected):
    """The form asks for another page. Clients know this error by its name and its status, so neither may change."""

    code = 510

    def __init__(self, form: Mapping[str, Any], meta: Any) -> None:
        super().__init__("the form asks for another page", hint="send the pages so far, and one more as `form` says")
        self.members = {"form": dict(form), "meta": meta}


class FormValidationError(Rejected):
    """A page of the form is not valid."""

    def __init__(self, reason: str, errors: tuple[Mapping[str, Any], ...]) -> None:
        super().__init__(reason or "a page of the form is not valid")
        self.members = {"validation_errors": [dict(one) for one in errors]}


class FormOverflowError(Rejected):
    """There are more pages than the form asks for."""


class PredicateRefused(Rejected):
    """The run predicate of the workflow refuses the start."""

    code = 412


class UserCodeFailed(Rejected):
    """A form, a predicate or a callback raised an exception. The caller sees the exception, so this is a refusal."""

    code = 500


def find_form_values(answer: FormEvaluated) -> dict[str, Any]:
    """Return the values of a complete form, by field.

    Raises:
        Rejected: the form is incomplete or not valid, the workflow or the user's rights do not allow the start, or the
            workflow's code failed. The table of this module has the class for each.
        Broken: this version does not know the verdict.
    """
    match answer.verdict:
        case FormVerdict.COMPLETE:
            return answer.values
        case FormVerdict.INCOMPLETE:
            raise FormNotCompleteError(answer.form, answer.meta)
        case FormVerdict.INVALID:
            raise FormValidationError(answer.reason, answer.errors)
        case FormVerdict.TOO_MANY_PAGES:
            raise FormOverflowError(answer.reason)
        case FormVerdict.REFUSED:
            raise PredicateRefused(answer.reason)
        case FormVerdict.FORBIDDEN:
            raise Forbidden(answer.reason)
        case FormVerdict.FAILED:
            raise UserCodeFailed(answer.reason, hint="mend the workflow's code, and start the step worker again")
        case _:
            raise Broken(f"a step worker answers {answer.verdict!r}, which this version does not know")
