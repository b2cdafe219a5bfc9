"""Read the whole graph of a template from one document, and check all of it before anything changes. (core)

    topology: dag                           optional: without it the template keeps its own
    nodes:
    - identifier: build
      template: Build the release           a name, an id, or null
      success_nodes: [test]                 identifiers; `success`, `failure` and `always` mean the same lists
      extra_data: {arch: arm64}
      limit: web                            or scm_branch, job_tags, skip_tags, if the template asks for it
      labels: [nightly]                     the same; names of labels
    - identifier: sign
      approval: {name: Sign, timeout: 86400}

All faults are reported together, each with its line: those of nodes that cannot be read, those of names, and broken
rules between the nodes that can. Nodes that the template has already keep their ids, by identifier.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from schemas.automation.trees import (
    MAX_IDENTIFIER,
    MAX_LABELS,
    MAX_TREE_NODES,
    TEXT_PROMPTS,
    Prompt,
    TemplateDocument,
    TemplateNode,
    Topology,
    name_edge_list,
)
from schemas.engine.graph import MAX_TIMEOUT_S, EdgeKind
from schemas.errors import Rejected
from schemas.ids import TemplateId, TemplateNodeId
from wms.engine.life.graph import list_broken_rules
from wms.located_text import LocatedDocument, Path
from wms.trees.graphs.graph_rules import explain_rule, make_bare_graph
from wms.trees.inputs.launch_values import mask_extra_data

_MAX_SHOWN = 20
_ALIASES = {kind.value: name_edge_list(kind) for kind in EdgeKind}


class GraphRefused(Rejected):
    """A whole graph has faults. `faults` are their texts, each with its place."""

    def __init__(self, faults: Sequence[str]) -> None:
        shown = "; ".join(faults[:_MAX_SHOWN])
        more = f"; and {len(faults) - _MAX_SHOWN} more" if len(faults) > _MAX_SHOWN else ""
        super().__init__(f"the graph is refused: {shown}{more}", hint="nothing was changed")
        self.faults = tuple(faults)


class ApprovalDraft(BaseModel):
    """An approval, as a graph's author writes it beside its node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=512)
    description: str = ""
    timeout: int = Field(0, ge=0, le=MAX_TIMEOUT_S)
    bars_starter: bool = False


class NodeDraft(BaseModel):
    """A node, as a graph's author writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifier: str = Field(min_length=1, max_length=MAX_IDENTIFIER)
    template: int | str | None = None
    approval: ApprovalDraft | None = None
    success_nodes: tuple[str, ...] = ()
    failure_nodes: tuple[str, ...] = ()
    always_nodes: tuple[str, ...] = ()
    all_parents_must_converge: bool = False
    extra_data: dict[str, Any] = Field(default_factory=dict)
    timeout_s: float | None = Field(None, gt=0, le=MAX_TIMEOUT_S)
    limit: str = ""
    scm_branch: str = ""
    job_tags: str = ""
    skip_tags: str = ""
    labels: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)], ...] = Field(
        (), max_length=MAX_LABELS
    )

    @property
    def prompts(self) -> dict[Prompt, str]:
        """Return the prompts that the author answers."""
        return {prompt: text for prompt in TEXT_PROMPTS if (text := getattr(self, prompt.value))}

    @property
    def edges(self) -> Mapping[EdgeKind, tuple[str, ...]]:
        """Return the three lists by the kind of their edges."""
        return {
            EdgeKind.SUCCESS: self.success_nodes,
            EdgeKind.FAILURE: self.failure_nodes,
            EdgeKind.ALWAYS: self.always_nodes,
        }


@dataclass(frozen=True, slots=True)
class GraphDraft:
    """A whole graph, as its author writes it."""

    nodes: tuple[NodeDraft, ...]
    topology: Topology | None
    #: Where each node stands in the document.
    places: tuple[str, ...] = field(default=())
    #: What is wrong with the form of the document. A node with such a fault is not among `nodes`.
    faults: tuple[str, ...] = ()
    #: The identifiers of the nodes that have such a fault; None: one of these has no identifier that could be read.
    unread: frozenset[str] | None = frozenset()


def read_graph(document: LocatedDocument) -> GraphDraft:
    """Return the graph in `document`, with the faults of its form.

    Raises:
        GraphRefused: nothing of it has the form of a graph.
    """
    value, faults = document.value, list[str]()
    body: Mapping[str, Any] = {"nodes": value} if isinstance(value, list) else value
    if not isinstance(body, Mapping) or not isinstance(body.get("nodes"), list):
        raise GraphRefused([f"{document.name_place(())}: give a list of nodes, or an object with `nodes`"])
    start: Path = () if isinstance(value, list) else ("nodes",)
    for key in body.keys() - {"nodes", "topology"}:
        faults.append(f"{document.name_place((key,))}: {key!r} is none of nodes, topology")
    topology = body.get("topology")
    if topology is not None and topology not in list(Topology):
        faults.append(f"{document.name_place(('topology',))}: topology: {topology!r} is none of {', '.join(Topology)}")
    if len(body["nodes"]) > MAX_TREE_NODES:
        raise GraphRefused([f"there are {len(body['nodes'])} nodes; a template holds {MAX_TREE_NODES} at most"])
    nodes: list[NodeDraft] = []
    places: list[str] = []
    unread: list[Any] = []
    for number, raw in enumerate(body["nodes"]):
        path = (*start, number)
        try:
            nodes.append(NodeDraft.model_validate(_spell_lists(raw)))
            places.append(document.name_place(path))
        except ValidationError as error:
            faults += dict.fromkeys(_describe_fault(document, path, fault) for fault in error.errors())
            unread.append(raw.get("identifier") if isinstance(raw, Mapping) else None)
    return GraphDraft(
        tuple(nodes),
        Topology(topology) if topology in list(Topology) else None,
        tuple(places),
        tuple(faults),
        frozenset(unread) if all(isinstance(each, str) for each in unread) else None,
    )


def _spell_lists(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    return {(_ALIASES.get(key, key) if _ALIASES.get(key) not in raw else key): value for key, value in raw.items()}


def _describe_fault(document: LocatedDocument, path: Path, fault: Mapping[str, Any]) -> str:
    # Of a value that may be of several types, pydantic names each type.
    where = fault["loc"][:1] if fault["loc"][:1] == ("template",) else fault["loc"]
    place = document.name_place((*path, *where))
    return f"{place}: {'.'.join(map(str, where)) or 'node'}: {_explain_fault(where, fault)}"


def _explain_fault(where: Sequence[int | str], fault: Mapping[str, Any]) -> str:
    if where == ("template",):
        return "must be the name or the id of a template, or null"
    match fault["type"]:
        case "extra_forbidden":
            model = ApprovalDraft if where[0] == "approval" else NodeDraft
            return f"there is no such key; there are {', '.join(model.model_fields)}"
        case "missing":
            return "is missing"
        case "model_type" | "dict_type":
            return "must be an object"
        case "tuple_type":
            return "must be a list"
        case _:
            return str(fault["msg"]).replace("Input should be", "must be")


def check_graph(
    draft: GraphDraft, *, topology: Topology, known: Sequence[TemplateNode], more: Sequence[str] = ()
) -> None:
    """Check the whole of `draft`. `known` are the nodes that the template has already, `more` are faults that the
    caller has found.

    Raises:
        GraphRefused: the document has faults, identifiers are not unique or unknown, or the graph breaks rules of
            `topology`. The error tells all of it.
    """
    faults = [*draft.faults, *more, *_list_name_faults(draft)]
    built = _make_bare_nodes(draft, known)
    places = dict(zip((node.identifier for node in draft.nodes), draft.places, strict=True))
    for broken in list_broken_rules(make_bare_graph(topology, built)):
        reason, hint = explain_rule(broken, built, topology)
        faults.append(f"{places[built[broken.nodes[0]].identifier]}: {reason}; {hint}")
    if faults:
        raise GraphRefused(faults)


def _list_name_faults(draft: GraphDraft) -> list[str]:
    faults: list[str] = []
    names: set[str] = set()
    for node, place in zip(draft.nodes, draft.places, strict=True):
        if node.identifier in names:
            faults.append(f"{place}: two nodes have the identifier {node.identifier!r}; give one of them another")
        names.add(node.identifier)
    for node, place in zip(draft.nodes, draft.places, strict=True):
        if draft.unread is not None:
            faults += [
                f"{place}: {name_edge_list(kind)} of {node.identifier!r} names {child!r}, and no node is called so"
                for kind, children in node.edges.items()
                for child in children
                if child not in names and child not in draft.unread
            ]
        if node.approval is not None and node.template is not None:
            faults.append(f"{place}: {node.identifier!r} has a template and an approval; a node wraps one of them")
    return faults


def _make_bare_nodes(draft: GraphDraft, known: Sequence[TemplateNode]) -> tuple[TemplateNode, ...]:
    """Return nodes with the edges of `draft` that lead to other nodes of it. New ones have no numbers yet."""
    ids: dict[str, TemplateNodeId] = {}
    by_identifier = {node.identifier: node.id for node in known}
    drafts = {node.identifier: node for node in reversed(draft.nodes)}
    for number, node in enumerate(draft.nodes):
        ids.setdefault(node.identifier, by_identifier.get(node.identifier, TemplateNodeId(-number - 1)))

    def find(children: Iterable[str]) -> tuple[TemplateNodeId, ...]:
        return tuple(ids[child] for child in children if child in ids)

    return tuple(
        TemplateNode(
            id=number,
            identifier=identifier,
            success_nodes=find(drafts[identifier].success_nodes),
            failure_nodes=find(drafts[identifier].failure_nodes),
            always_nodes=find(drafts[identifier].always_nodes),
        )
        for identifier, number in ids.items()
    )


def build_nodes(
    draft: GraphDraft,
    *,
    known: Sequence[TemplateNode],
    new_ids: Sequence[TemplateNodeId],
    settled: Sequence[TemplateNode],
) -> tuple[TemplateNode, ...]:
    """Return the nodes of `draft`, which `check_graph` has passed. A node keeps the id of the node in `known` with the
    same identifier.

    Each node in `settled` has what the node wraps, and what it gives to that as it may be stored: variables, prompts,
    labels. `new_ids` has enough ids for the nodes that are not in `known`.
    """
    by_identifier = {node.identifier: node for node in known}
    unused = iter(new_ids)
    ids = {
        node.identifier: by_identifier[node.identifier].id if node.identifier in by_identifier else next(unused)
        for node in draft.nodes
    }
    return tuple(
        TemplateNode(
            id=ids[node.identifier],
            identifier=node.identifier,
            template=given.template,
            all_parents_must_converge=node.all_parents_must_converge,
            extra_data=given.extra_data,
            masked=given.masked,
            prompts=given.prompts,
            labels=given.labels,
            timeout_s=node.timeout_s,
            created=by_identifier[node.identifier].created if node.identifier in by_identifier else None,
            success_nodes=tuple(ids[child] for child in node.success_nodes),
            failure_nodes=tuple(ids[child] for child in node.failure_nodes),
            always_nodes=tuple(ids[child] for child in node.always_nodes),
        )
        for node, given in zip(draft.nodes, settled, strict=True)
    )


def write_graph(
    nodes: Sequence[TemplateNode],
    topology: Topology,
    names: Mapping[TemplateId, str | Mapping[str, Any]],
    wrapped: Mapping[TemplateId, TemplateDocument] | None = None,
) -> dict[str, Any]:
    """Return the document from which `read_graph` makes this graph.

    `names` has a template's name, or its approval. `wrapped` are the templates, whose passwords are masked.
    """
    identifiers = {node.id: node.identifier for node in nodes}
    written = []
    for node in nodes:
        entry: dict[str, Any] = {"identifier": node.identifier}
        named = None if node.template is None else names.get(node.template, node.template)
        entry |= {"approval": dict(named)} if isinstance(named, Mapping) else {"template": named}
        entry |= {
            name_edge_list(kind): [identifiers[child] for child in children]
            for kind, children in node.edges.items()
            if children
        }
        if node.all_parents_must_converge:
            entry["all_parents_must_converge"] = True
        if node.extra_data:
            template = None if node.template is None else (wrapped or {}).get(node.template)
            entry["extra_data"] = mask_extra_data(node.extra_data, template, node.masked)
        entry |= {prompt.value: node.prompts[prompt] for prompt in TEXT_PROMPTS if node.prompts.get(prompt)}
        if node.labels:
            entry["labels"] = list(node.labels)
        if node.timeout_s is not None:
            entry["timeout_s"] = node.timeout_s
        written.append(entry)
    return {"topology": topology.value, "nodes": written}
