"""Make definitions, which the engine runs, from templates. (core)

    workflow job template   a graph; each node runs the definition of the template that it wraps, as a run of its own
    job template            a graph of one node, which does the work        a "leaf": it ends as that node does
    approval template       a graph of one node, which waits for a person

So each job of a tree is a run with an id, a log and an end of its own, for every kind of work. Add a kind of work to
`schemas.automation.trees.Work` and to `make_work_node`; nothing else needs to know it.
"""

from collections.abc import Mapping

from schemas.automation.jobs import JOB_DEFINITION
from schemas.automation.trees import (
    ApprovalWork,
    FleetWork,
    HostsWork,
    ProcessWork,
    Prompt,
    TemplateDocument,
    TemplateKind,
)
from schemas.engine.graph import (
    BranchingProfile,
    Convergence,
    Definition,
    DefinitionKind,
    Edge,
    Graph,
    Node,
    NodeKind,
    WaitKind,
    WaitSpec,
)
from schemas.errors import Broken
from schemas.ids import NodeKey, TemplateId
from wms.trees.graphs.graph_rules import find_profile
from wms.trees.inputs.launch_values import spell_prompts
from wms.trees.inputs.surveys import find_defaults

_PREFIX = "template/"
#: The key of a leaf's node.
WORK = NodeKey("work")
#: The parameter of a node that runs a job on hosts: its `HostsWork`.
HOSTS_WORK = "hosts_work"


def name_definition(template_id: TemplateId) -> str:
    """Return the name of a template's definition. A step worker cannot register one of this name."""
    return f"{_PREFIX}{template_id}"


def find_template_id(definition: str) -> TemplateId | None:
    """Return the template of a definition's name; None: no template made it."""
    number = definition.removeprefix(_PREFIX)
    return TemplateId(int(number)) if number != definition and number.isdecimal() else None


def make_definition(template: TemplateDocument, names: Mapping[TemplateId, str]) -> Definition:
    """Return the definition of `template`. `names` are those of the templates that its nodes wrap, if they exist."""
    survey = template.survey if template.survey_enabled else None
    return Definition(
        name=name_definition(template.id),
        kind=DefinitionKind.TEMPLATE,
        graph=_make_tree(template, names) if template.kind is TemplateKind.WORKFLOW else _make_leaf(template),
        pool="",
        title=template.name,
        description=template.description,
        variables={**template.variables, **({} if survey is None else find_defaults(survey))},
        masked=tuple(sorted({*template.masked, *(() if survey is None else survey.passwords)})),
        prompts=spell_prompts(template.prompts),
        asks=tuple(prompt.value for prompt in template.asks if prompt is not Prompt.VARIABLES),
        labels=template.labels,
        organization=template.organization or "",
        runs_alone=template.kind is TemplateKind.WORKFLOW and not template.allow_simultaneous,
    )


def _make_tree(template: TemplateDocument, names: Mapping[TemplateId, str]) -> Graph:
    places = {node.id: number for number, node in enumerate(template.nodes)}
    nodes = []
    for node in template.nodes:
        is_there = node.template is not None and node.template in names
        nodes.append(
            Node(
                key=NodeKey(node.identifier),
                name=names[node.template] if is_there and node.template is not None else node.identifier,
                kind=NodeKind.RUN if is_there else NodeKind.EMPTY,
                definition=name_definition(node.template) if is_there and node.template is not None else "",
                edges=tuple(
                    Edge(kind=kind, to=places[child]) for kind, children in node.edges.items() for child in children
                ),
                convergence=Convergence.ALL if node.all_parents_must_converge else Convergence.ANY,
                params=node.extra_data,
                masked=node.masked,
                prompts=spell_prompts(node.prompts),
                labels=node.labels,
                timeout_s=node.timeout_s,
            )
        )
    return Graph(profile=find_profile(template.topology), nodes=tuple(nodes))


def _make_leaf(template: TemplateDocument) -> Graph:
    return Graph(profile=BranchingProfile.TREE, nodes=(make_work_node(template),), is_leaf=True)


def make_work_node(template: TemplateDocument) -> Node:
    """Return the node that does the work of a template without nodes.

    Raises:
        Broken: the template has no work.
    """
    match template.work:
        case FleetWork() as work:
            return Node(
                key=WORK,
                name=template.name,
                kind=NodeKind.WORKFLOW,
                params=work.request,
                events=work.events,
                max_dead_letters=work.max_dead_letters,
                timeout_s=work.timeout_s,
            )
        case ProcessWork() as work:
            return Node(
                key=WORK, name=template.name, kind=NodeKind.RUN, definition=work.definition, timeout_s=work.timeout_s
            )
        case HostsWork() as work:
            # The variables of a job stand beside: those of the template and of the launch.
            return Node(
                key=WORK,
                name=template.name,
                kind=NodeKind.RUN,
                definition=JOB_DEFINITION,
                params={HOSTS_WORK: work.model_dump(mode="json")},
                timeout_s=work.timeout_s,
            )
        case ApprovalWork() as work:
            wait = WaitSpec(kind=WaitKind.APPROVAL, name=template.name, timeout_s=work.timeout or None)
            params = {"bars_starter": work.bars_starter}
            return Node(key=WORK, name=template.name, kind=NodeKind.WAIT, wait=wait, params=params)
        case None:
            raise Broken(f"the template {template.id} has no work")
