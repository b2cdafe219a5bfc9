"""Templates: what people launch as a decision tree, and what a node of such a tree can run.

    workflow job template   nodes, joined by success, failure and always edges; each node runs one template, or nothing
    job template            one piece of work: a fleet workflow, a registered process, or tasks on an inventory
    approval template       a person approves or denies

Templates of all kinds share one space of ids. A template and its nodes are one document, so a change of its graph is
one write.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.automation.inventories import MAX_LIMIT_CHARACTERS
from schemas.automation.jobs import MAX_JOB_TASKS, MAX_SERIAL, JobStrategy
from schemas.automation.stored_secrets import SecretFile
from schemas.automation.surveys import Survey
from schemas.engine.graph import MAX_TIMEOUT_S, EdgeKind
from schemas.ids import LabelId, OrganizationId, RunId, TemplateId, TemplateNodeId
from schemas.lazy_model import LazyModel
from schemas.registry import register_collection
from schemas.rules.secret_names import MAX_SECRETS
from schemas.stored_enum import StoredEnum

#: The most characters of an identifier, and nodes of one template.
MAX_IDENTIFIER = 512
MAX_TREE_NODES = 10_000
#: The most labels of one template, or of one node.
MAX_LABELS = 100


class TemplateKind(StoredEnum):
    """The kind of a template, in the words of the dialect."""

    WORKFLOW = "workflow_job_template"
    JOB = "job_template"
    APPROVAL = "workflow_approval_template"


class Topology(StoredEnum):
    """The rules for the graph of a template."""

    #: One parent for each node; `always` edges, or success and failure edges; an error stops its branch.
    TREE = "tree"
    #: Several parents are allowed, and an error takes the same edges as a failure.
    DAG = "dag"


class Prompt(StoredEnum):
    """A value that a launch, or a node, can give to a template, if the template asks for it."""

    VARIABLES = "variables"
    INVENTORY = "inventory"
    LIMIT = "limit"
    SCM_BRANCH = "scm_branch"
    LABELS = "labels"
    JOB_TAGS = "job_tags"
    SKIP_TAGS = "skip_tags"


#: The prompts whose answers are texts.
TEXT_PROMPTS = (Prompt.LIMIT, Prompt.SCM_BRANCH, Prompt.JOB_TAGS, Prompt.SKIP_TAGS)


class ObjectRole(StoredEnum):
    """The delegated roles that a user or team can hold on one job template, or on one workflow job template of topology
    `dag`.
    """

    #: Change the template and its nodes, give roles on it; and all of the following.
    ADMIN = "admin"
    #: Launch it, and see it.
    EXECUTE = "execute"
    READ = "read"
    #: Decide its approvals, and see it.
    APPROVAL = "approval"


class TreeModel(LazyModel):
    """The base class of the parts of a stored template. Readers ignore fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FleetWork(TreeModel):
    """A workflow on the fleet. It ends when its inputs are closed and its events are processed.

    Its user may end it earlier (finish, abort), or state how many results end it.
    """

    kind: Literal["fleet"] = "fleet"
    #: The body of `POST /workflows`.
    request: dict[str, Any]
    #: Payloads to publish into the workflow's first public input, which is then closed. If empty, users publish events.
    events: tuple[Any, ...] = ()
    #: How many dead letters the workflow may have and still be a success.
    max_dead_letters: Annotated[int, Field(ge=0)] = 0
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] | None = None


class ProcessWork(TreeModel):
    """A process that a step worker has registered."""

    kind: Literal["process"] = "process"
    definition: Annotated[str, Field(min_length=1, max_length=512)]
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] | None = None


class ApprovalWork(TreeModel):
    """The work of a node whose outcome a person decides."""

    kind: Literal["approval"] = "approval"
    #: After this many seconds the approval fails; 0 means never.
    timeout: Annotated[int, Field(ge=0, le=MAX_TIMEOUT_S)] = 0
    #: Whether the person who started the tree may not give this approval.
    bars_starter: bool = False


class HostsWork(TreeModel):
    """Tasks of the catalogue, in their order, on hosts of an inventory: a job on hosts."""

    kind: Literal["hosts"] = "hosts"
    tasks: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=MAX_JOB_TASKS)]
    inventory: Annotated[int, Field(ge=1)]
    limit: Annotated[str, Field(max_length=MAX_LIMIT_CHARACTERS)] = ""
    strategy: JobStrategy = JobStrategy.LINEAR
    serial: Annotated[tuple[int | str, ...], Field(max_length=MAX_SERIAL)] = ()
    max_fail_percentage: Annotated[float, Field(ge=0, le=100)] = 0.0
    secrets: Annotated[tuple[SecretFile, ...], Field(max_length=MAX_SECRETS)] = ()
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] | None = None


#: What a template without nodes does. Add each further kind of work here and in `wms.trees.graphs.tree_definitions`.
Work = Annotated[FleetWork | ProcessWork | HostsWork | ApprovalWork, Field(discriminator="kind")]


class TemplateNode(TreeModel):
    """One node of a workflow job template."""

    id: TemplateNodeId
    #: The identifier is unique in its template, and stays the same over edits and exports.
    identifier: Annotated[str, Field(min_length=1, max_length=MAX_IDENTIFIER)]
    #: What the node runs; None if the node runs nothing, or if its template was deleted.
    template: TemplateId | None = None
    success_nodes: tuple[TemplateNodeId, ...] = ()
    failure_nodes: tuple[TemplateNodeId, ...] = ()
    always_nodes: tuple[TemplateNodeId, ...] = ()
    all_parents_must_converge: bool = False
    #: Variables for the job. They override those of its template.
    extra_data: dict[str, Any] = Field(default_factory=dict)
    #: The names of those whose values are secret, and stored encrypted.
    masked: tuple[str, ...] = ()
    prompts: dict[Prompt, Any] = Field(default_factory=dict)
    #: Labels of the template's organization that the node gives to its job.
    labels: tuple[str, ...] = ()
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] | None = None
    created: datetime | None = None
    modified: datetime | None = None

    @property
    def answers(self) -> dict[Prompt, Any]:
        """What the node answers to the prompts of its template, labels included."""
        return {**self.prompts, **({Prompt.LABELS: list(self.labels)} if self.labels else {})}

    @property
    def edges(self) -> Mapping[EdgeKind, tuple[TemplateNodeId, ...]]:
        """The three lists of nodes, by the kind of the edges to these nodes."""
        return {
            EdgeKind.SUCCESS: self.success_nodes,
            EdgeKind.FAILURE: self.failure_nodes,
            EdgeKind.ALWAYS: self.always_nodes,
        }


def name_edge_list(kind: EdgeKind) -> str:
    """Return the name of the field that lists the edges of `kind`."""
    return f"{kind}_nodes"


class RoleGrant(TreeModel):
    """A role on a template, and the user or team that has it."""

    role: ObjectRole
    #: `sub:` and the subject of a user's token, or `team:` and the id of a team.
    holder: Annotated[str, Field(min_length=1, max_length=600)]


class TemplateDocument(TreeModel):
    """A template as it is stored."""

    id: TemplateId
    kind: TemplateKind
    name: Annotated[str, Field(min_length=1, max_length=512)]
    description: str = ""
    organization: OrganizationId | None = None
    #: The nodes of a workflow job template; the work of every other template.
    nodes: tuple[TemplateNode, ...] = ()
    work: Work | None = None
    topology: Topology = Topology.TREE
    #: The variables as their author wrote them (JSON or YAML), and their values. With a secret among them there is no
    #: text; `masked` has the names of the secret ones, which are stored encrypted.
    extra_vars: str = ""
    variables: dict[str, Any] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    survey: Survey = Survey()
    survey_enabled: bool = False
    #: What a launch may give.
    asks: tuple[Prompt, ...] = ()
    prompts: dict[Prompt, Any] = Field(default_factory=dict)
    allow_simultaneous: bool = False
    #: An approval belongs to the node that runs it, and is deleted with that node.
    owned_by: TemplateNodeId | None = None
    #: Who has which role on this template alone.
    grants: tuple[RoleGrant, ...] = ()
    rev: int = 0
    created: datetime
    modified: datetime
    created_by: str = ""
    modified_by: str = ""

    @property
    def can_delegate(self) -> bool:
        """Whether roles on this template alone exist and count."""
        return can_delegate(self.kind, self.topology)

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels of the template and of its nodes, each once."""
        return tuple(dict.fromkeys((*self.labels, *(label for node in self.nodes for label in node.labels))))

    def find_node(self, node_id: TemplateNodeId) -> TemplateNode | None:
        """Return the node with the id `node_id`. Return None if there is no such node."""
        return next((node for node in self.nodes if node.id == node_id), None)


def can_delegate(kind: TemplateKind, topology: Topology) -> bool:
    """Return whether roles on one such template alone exist and count. They do not in the topology `tree`."""
    return kind is TemplateKind.JOB or (kind is TemplateKind.WORKFLOW and topology is Topology.DAG)


TEMPLATES = register_collection("templates", TemplateDocument)


class LabelDocument(TreeModel):
    """A label of an organization. The organization's templates and jobs with this label store its name, not its id."""

    id: LabelId
    name: Annotated[str, Field(min_length=1, max_length=512)]
    organization: OrganizationId
    created: datetime
    modified: datetime
    created_by: str = ""


LABELS = register_collection("labels", LabelDocument)


class TreeTurn(TreeModel):
    """The one run of a template that may go on, if the template allows only one at a time."""

    id: TemplateId
    run: RunId | None = None


TREE_TURNS = register_collection("tree_turns", TreeTurn)


class OrganizationNumber(TreeModel):
    """The integer by which the dialect names an organization."""

    id: OrganizationId
    number: int


ORGANIZATION_NUMBERS = register_collection("organization_numbers", OrganizationNumber)
