"""The stored words behind the words of the dialect, and the fields of nodes. (core)"""

from collections.abc import Mapping, Sequence

from schemas.engine.runs import RUN_OVER
from schemas.errors import Rejected
from schemas.ids import TemplateId
from wms.gateway.awx.lists import Fields, ListField
from wms.trees.graphs.tree_definitions import name_definition
from wms.trees.object_ids import read_object_id

#: Each word of the dialect -> the stored words that it stands for. Approvals have `_APPROVAL_WORDS`.
STATUS_WORDS: Mapping[str, Sequence[str]] = {
    "new": (),
    "pending": ("created",),
    "waiting": (),
    "running": ("running", "waiting", "halted", "stopped"),
    **{status.value: (status.value,) for status in sorted(RUN_OVER)},
}
APPROVAL_WORDS: Mapping[str, Sequence[str]] = {
    "pending": ("created", "running", "waiting", "halted", "stopped"),
    **{status.value: (status.value,) for status in sorted(RUN_OVER)},
}


def _relate_row(name: str, kind: str) -> ListField:
    return ListField(name, int, relates=kind, orders={"name": f"summary_fields.{name}.name"})


#: The fields by which lists of nodes are filtered, of templates and of jobs.
NODE_FIELDS: Fields = {
    "id": ListField("_id", int),
    "identifier": ListField("identifier"),
    "workflow_job_template": _relate_row("workflow_job_template", "workflow_job_templates"),
    "unified_job_template": _relate_row("unified_job_template", "unified_job_templates"),
    "workflow_job": _relate_row("workflow_job", "workflow_jobs"),
    "job": _relate_row("job", "unified_jobs"),
    "job__name": ListField("summary_fields.job.name"),
    "job__status": ListField("summary_fields.job.status"),
    "all_parents_must_converge": ListField("all_parents_must_converge", bool),
    "do_not_run": ListField("do_not_run", bool),
    "status": ListField("status"),
}


def write_definition(text: str) -> str:
    """Return the stored name of a template's definition, from the template's id in a query.

    Raises:
        Rejected: it is no id.
    """
    number = read_object_id(text)
    if number is None:
        raise Rejected(f"{text[:80]!r} is no id of a template")
    return name_definition(TemplateId(number))
