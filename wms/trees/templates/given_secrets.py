"""Encrypt what was given to a template before its survey called it a password."""

from collections.abc import Mapping
from typing import Any

from runtime.kernel.decision import Change, Update
from runtime.kernel.store import Transaction
from schemas.automation.schedules import SCHEDULES
from schemas.automation.trees import TEMPLATES, TemplateDocument
from wms.trees.inputs.launch_values import Seals


async def seal_given_values(tx: Transaction, template: TemplateDocument, seal: Seals) -> list[Change]:
    """Return the changes that encrypt what schedules and nodes give as passwords of `template`'s survey."""
    schedules = await tx.find(SCHEDULES, {"template": template.id})
    sealed = {each["_id"]: _seal_values(each, template, seal) for each in schedules}
    changes: list[Change] = [
        Update(SCHEDULES, each["_id"], set=sealed[each["_id"]], rev=each["rev"])
        for each in schedules
        if sealed[each["_id"]]
    ]
    for tree in await tx.find(TEMPLATES, {"nodes.template": template.id}):
        fields = {
            f"nodes.{number}.{name}": value
            for number, node in enumerate(tree["nodes"])
            if node.get("template") == template.id
            for name, value in _seal_values(node, template, seal).items()
        }
        if fields:
            changes.append(Update(TEMPLATES, tree["_id"], set=fields, rev=tree["rev"]))
    return changes


def _seal_values(giver: Mapping[str, Any], template: TemplateDocument, seal: Seals) -> dict[str, Any]:
    """Return the changed fields of `giver`, a stored schedule or node. Return {} if it gives no password in clear."""
    given: Mapping[str, Any] = giver.get("extra_data") or {}
    masked = set(giver.get("masked") or ())
    names = (template.survey.passwords & given.keys()) - masked
    if not names:
        return {}
    values = {key: seal(value) if key in names else value for key, value in given.items()}
    return {"extra_data": values, "masked": sorted(masked | names)}
