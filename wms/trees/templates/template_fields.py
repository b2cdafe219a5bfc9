"""Read the fields of a template, or of one of its nodes, from a request. (core)

Clients send what they know: 1 and 0 for booleans, a text of JSON or YAML for variables, and fields that this kind does
not have. Unknown fields are left out; a known field with a wrong value is refused, all faults together.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from schemas.automation.jobs import JobStrategy
from schemas.automation.trees import (
    MAX_IDENTIFIER,
    TEXT_PROMPTS,
    ApprovalWork,
    FleetWork,
    HostsWork,
    ProcessWork,
    Prompt,
    TemplateDocument,
    TemplateKind,
    TemplateNode,
    Topology,
    name_edge_list,
)
from schemas.engine.graph import MAX_TIMEOUT_S, EdgeKind
from schemas.errors import Rejected
from schemas.ids import TemplateNodeId
from wms.engine.life.variables import check_size
from wms.located_text import read_plain
from wms.trees.graphs.tree_definitions import find_template_id
from wms.trees.inputs.launch_values import ASK_FIELDS
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.fleet_request_check import check_fleet_request

_MAX_NAME = 512
#: An id, as a number or as a text.
_ID = re.compile(r"[1-9][0-9]{0,14}|'[1-9][0-9]{0,14}'")
#: What we say of faults for which pydantic has other words.
_TEXTS = {
    "extra_forbidden": "there is no such field",
    "union_tag_invalid": "'kind' is none of fleet, process and hosts",
    "union_tag_not_found": "'kind' is missing",
}
_WORK: TypeAdapter[FleetWork | ProcessWork | HostsWork] = TypeAdapter(
    Annotated[FleetWork | ProcessWork | HostsWork, Field(discriminator="kind")]
)
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})

#: What a job on hosts can do with the answers to prompts. The others would reach nothing of it.
_HOSTS_PROMPTS = frozenset({Prompt.VARIABLES, Prompt.LIMIT, Prompt.LABELS})


def read_variables(raw: Any) -> tuple[str, dict[str, Any]]:
    """Return variables as a text, and what they mean: an object, or a text of JSON or YAML.

    Raises:
        Rejected: it is neither, or too large.
    """
    if raw is None or raw == "":
        return "", {}
    if isinstance(raw, Mapping):
        values, text = dict(raw), ""
    elif isinstance(raw, str):
        read = read_plain(raw)
        if read is None:
            return raw, {}
        if not isinstance(read, dict):
            raise Rejected("must be an object, as JSON or YAML")
        values, text = read, raw
    else:
        raise Rejected("must be an object, or a text of JSON or YAML")
    check_size("variables", values)
    return text, values


def read_boolean(raw: Any) -> bool:
    """Return a boolean, which may come as 1, 0 or a text.

    Raises:
        Rejected: it is none.
    """
    if isinstance(raw, bool):
        return raw
    text = str(raw).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise Rejected("must be true or false")


def read_text(raw: Any) -> str:
    """Return a text; None means an empty one.

    Raises:
        Rejected: it is none.
    """
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise Rejected("must be a text")
    return raw


def read_name(raw: Any) -> str:
    """Return a name.

    Raises:
        Rejected: it is empty, or too long.
    """
    text = read_text(raw).strip()
    if not text:
        raise Rejected("This field may not be blank.")
    if len(text) > _MAX_NAME:
        raise Rejected(f"must have at most {_MAX_NAME} characters")
    return text


def read_template_fields(
    kind: TemplateKind, raw: Mapping[str, Any], before: TemplateDocument | None, *, is_partial: bool
) -> dict[str, Any]:
    """Return the fields of a template that `raw` sets. `organization` and `labels` are not among them.

    Raises:
        FieldsRefused: fields are missing or wrong.
    """
    reader = FieldReader(raw)
    reader.read("name", read_name, needed=not is_partial)
    reader.read("description", read_text)
    if "extra_vars" in raw and (found := reader.convert("extra_vars", read_variables)) is not None:
        reader.fields |= {"extra_vars": found[0], "variables": found[1]}
    if kind is not TemplateKind.APPROVAL:
        reader.refuse_inventory()
        reader.read("survey_enabled", read_boolean)
        asks = set(before.asks if before is not None else ())
        for name, prompt in ASK_FIELDS.items():
            if name in raw and (wanted := reader.convert(name, read_boolean)) is not None:
                asks = asks | {prompt} if wanted else asks - {prompt}
        reader.fields["asks"] = tuple(prompt for prompt in Prompt if prompt in asks)
        reader.fields["prompts"] = reader.read_prompts(before.prompts if before is not None else {})
    if kind is TemplateKind.WORKFLOW:
        reader.read("allow_simultaneous", read_boolean)
        reader.read("topology", _read_topology)
    if kind is TemplateKind.JOB:
        reader.read("work", _read_work, needed=before is None)
        reader.check_hosts_prompts(before)
    if kind is TemplateKind.APPROVAL:
        reader.fields["work"] = reader.read_approval(before.work if before is not None else None)
    return reader.finish()


def read_node_fields(raw: Mapping[str, Any], before: TemplateNode | None) -> dict[str, Any]:
    """Return the fields of a node that `raw` sets. `unified_job_template` is not among them.

    Raises:
        FieldsRefused: fields are wrong.
    """
    reader = FieldReader(raw)
    reader.refuse_inventory()
    if raw.get("identifier") not in (None, ""):
        reader.read("identifier", _read_identifier)
    reader.read("all_parents_must_converge", read_boolean)
    reader.read("extra_data", lambda value: read_variables(value)[1])
    if "timeout" in raw:
        reader.fields["timeout_s"] = reader.convert("timeout", _read_timeout)
    reader.fields["prompts"] = reader.read_prompts(before.prompts if before is not None else {})
    return reader.finish()


def read_children(raw: Mapping[str, Any], kind: EdgeKind) -> list[TemplateNodeId]:
    """Return the target nodes of the new edges of `kind`. The `awx` command sends ids as texts.

    Raises:
        FieldsRefused: they are no list of ids.
    """
    name = f"add_{name_edge_list(kind)}"
    wanted = raw.get(name) or []
    if not isinstance(wanted, list) or not all(_ID.fullmatch(repr(each)) for each in wanted):
        raise FieldsRefused({name: ["must be a list of ids of nodes"]})
    return [TemplateNodeId(int(each)) for each in wanted]


def _read_identifier(raw: Any) -> str:
    text = read_text(raw)
    if len(text) > MAX_IDENTIFIER:
        raise Rejected(f"must have at most {MAX_IDENTIFIER} characters")
    return text


def _read_timeout(raw: Any) -> float | None:
    if raw in (None, 0, ""):
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw < 0:
        raise Rejected("must be a number of seconds")
    if not raw <= MAX_TIMEOUT_S:
        raise Rejected(f"must be at most {MAX_TIMEOUT_S} seconds (ten years)")
    return float(raw)


def _read_approval_timeout(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw or 0, int) or not 0 <= (raw or 0) <= MAX_TIMEOUT_S:
        raise Rejected(f"must be a whole number of seconds, at most {MAX_TIMEOUT_S} (ten years); 0: it waits for ever")
    return raw or 0


def _refuse_inventory(_: Any) -> None:
    raise Rejected(
        "templates and nodes have no inventory of their own; name it in the `work` of a job template: "
        '{"kind": "hosts", "tasks": [...], "inventory": ID}'
    )


def _read_topology(raw: Any) -> Topology:
    if raw not in list(Topology):
        raise Rejected(f"{raw!r} is none of {', '.join(Topology)}")
    return Topology(raw)


def _read_work(raw: Any) -> FleetWork | ProcessWork | HostsWork:
    try:
        # A misspelt field, for example of a secret for some tasks only, must not do something else in silence.
        work = _WORK.validate_python(raw, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        raise Rejected(
            f"{'.'.join(map(str, first['loc'][1:])) or 'work'}: {_TEXTS.get(first['type'], first['msg'])}; "
            'give {"kind": "fleet", "request": {...}}, {"kind": "process", "definition": "..."} or '
            '{"kind": "hosts", "tasks": [...], "inventory": ...}'
        ) from error
    if isinstance(work, ProcessWork) and find_template_id(work.definition) is not None:
        # The right to launch that template is unchecked, and it may be of another organization.
        raise Rejected(f"definition: {work.definition!r} is a template, not a process; wrap it in a node of a tree")
    if isinstance(work, FleetWork):
        check_fleet_request(work.request)
    if isinstance(work, HostsWork) and not work.strategy.is_known:
        raise Rejected(f"strategy: must be one of {', '.join(JobStrategy)}")
    return work


class FieldReader:
    """Reads the fields of one request, and keeps all faults."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.fields: dict[str, Any] = {}
        self._raw = raw
        self._faults: dict[str, list[str]] = {}

    def read(self, name: str, convert: Callable[[Any], Any], *, needed: bool = False) -> None:
        """Read a field, if it is there."""
        if name in self._raw:
            if (value := self.convert(name, convert)) is not None:
                self.fields[name] = value
        elif needed:
            self._faults[name] = ["This field is required."]

    def convert(self, name: str, convert: Callable[[Any], Any]) -> Any:
        """Return the value of a field; None, and keep the fault, if it is wrong."""
        try:
            return convert(self._raw[name])
        except Rejected as fault:
            self._faults[name] = [fault.reason]
            return None

    def read_prompts(self, before: Mapping[Prompt, Any]) -> dict[Prompt, Any]:
        """Return the prompts `before`, with those that the request sets."""
        prompts = dict(before)
        for prompt in TEXT_PROMPTS:
            if prompt.value in self._raw and (text := self.convert(prompt.value, read_text)) is not None:
                prompts[prompt] = text
        return {prompt: value for prompt, value in prompts.items() if value not in ("", None)}

    def refuse_inventory(self) -> None:
        """Refuse an inventory. Nothing would run on it."""
        if self._raw.get("inventory") not in (None, ""):
            self.convert("inventory", _refuse_inventory)

    def check_hosts_prompts(self, before: TemplateDocument | None) -> None:
        """Refuse prompts whose answers would reach nothing of a job on hosts."""
        if not isinstance(self.fields.get("work", before.work if before is not None else None), HostsWork):
            return
        useless = [name for name, prompt in ASK_FIELDS.items() if prompt in self.fields["asks"]]
        useless += [prompt.value for prompt in self.fields["prompts"]]
        prompts = {**ASK_FIELDS, **{prompt.value: prompt for prompt in Prompt}}
        for name in useless:
            # A template from before this rule can still be changed elsewhere.
            if prompts[name] not in _HOSTS_PROMPTS and not {name, "work"}.isdisjoint(self._raw):
                self._faults[name] = [f"a job on hosts does nothing with {prompts[name].value}; leave it out"]

    def read_approval(self, before: object) -> ApprovalWork:
        work = before if isinstance(before, ApprovalWork) else ApprovalWork()
        changed: dict[str, Any] = {}
        if "timeout" in self._raw:
            changed["timeout"] = self.convert("timeout", _read_approval_timeout)
        if "bars_starter" in self._raw:
            changed["bars_starter"] = self.convert("bars_starter", read_boolean)
        return work.model_copy(update=changed)

    def finish(self) -> dict[str, Any]:
        """Return the fields.

        Raises:
            FieldsRefused: fields are missing or wrong.
        """
        if self._faults:
            raise FieldsRefused(self._faults)
        return self.fields
