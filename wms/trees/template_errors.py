"""The errors about templates and their jobs. The dialect gives each its own body. (core)"""

from collections.abc import Mapping, Sequence

from schemas.errors import Conflict, Forbidden, Rejected


class FieldsRefused(Rejected):
    """Fields have faults. `fields` has the texts for each field; `__all__` is about several together."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(texts)}" for name, texts in fields.items()))
        self.fields = fields


class TemplateInUse(Conflict):
    """The template has active jobs."""

    def __init__(self, jobs: Sequence[int], *, is_workflow: bool) -> None:
        super().__init__("Resource is being used by running jobs.", hint="cancel them first, or wait for their end")
        self.jobs = tuple(jobs)
        self.is_workflow = is_workflow


class JobIsActive(Forbidden):
    """The job, or the tree that it is part of, is not over."""

    def __init__(self) -> None:
        super().__init__("Cannot delete running job resource.", hint="cancel it first, and wait for its end")


class NotCancelable(Rejected):
    """The job is over."""

    code = 405


class DecidedAlready(Rejected):
    """Somebody has decided this approval before, or its time is over."""


class BadAssociation(Rejected):
    """The `id` of what somebody wants to join is no integer, or is missing."""
