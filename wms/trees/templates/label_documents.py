"""The documents of labels: how MongoDB stores them, and what finds the templates and jobs that have a label."""

from collections.abc import Mapping
from typing import Any

from runtime.kernel.decision import Document, Insert
from runtime.kernel.store import Index
from schemas.automation.trees import LABELS, TEMPLATES, LabelDocument
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RUNS
from wms.trees.template_errors import FieldsRefused

INDEXES: Mapping[str, tuple[Index, ...]] = {
    LABELS: (Index(("organization", "name"), unique=True),),
    TEMPLATES: (
        Index(("labels",), partial={"labels.0": {"$exists": True}}),
        Index(("nodes.labels",), partial={"nodes.labels.0": {"$exists": True}}),
    ),
    RUNS: (Index(("labels",), partial={"labels.0": {"$exists": True}}),),
}
_MAX_NAME = 512


def read_label_name(raw: Any) -> str:
    """Return the name of a label.

    Raises:
        FieldsRefused: it is none.
    """
    if not isinstance(raw, str) or not raw.strip() or len(raw) > _MAX_NAME:
        raise FieldsRefused({"name": [f"must be a text of at most {_MAX_NAME} characters, not blank"]})
    return raw.strip()


def make_template_query(label: LabelDocument) -> dict[str, Any]:
    """Return what finds the templates that have `label`, or a node with it."""
    # The conditions `$exists` let MongoDB use the indexes.
    places = [{path: label.name, f"{path}.0": {"$exists": True}} for path in ("labels", "nodes.labels")]
    return {"organization": label.organization, "$or": places}


def make_job_query(label: LabelDocument) -> dict[str, Any]:
    """Return what finds the jobs that have `label`."""
    jobs = {"organization": label.organization, "kind": DefinitionKind.TEMPLATE.value}
    return {**jobs, "labels": label.name, "labels.0": {"$exists": True}}


def make_label_insert(label: LabelDocument) -> Insert:
    """Return the change that stores a new label."""
    document = label.model_dump()
    return Insert(LABELS, {"_id": document.pop("id"), **document})


def parse_label(document: Document) -> LabelDocument:
    """Return the label that is stored as `document`."""
    return LabelDocument.model_validate({**document, "id": document["_id"]})
