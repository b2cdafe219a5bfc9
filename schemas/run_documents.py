"""The documents of runs in MongoDB: runs with their nodes, log rows, definitions, inputs from outside, a counter."""

from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.graph import DefinitionKind, Graph
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from schemas.registry import register_collection
from schemas.runs import NodeError, NodeState, Parent, RunModel, RunStatus, Want


class LogRow(RunModel):
    """One finished attempt of a node, or one act of a person. It is written once and never changed."""

    run: RunId
    #: Counts the rows of the run, from 1.
    number: int
    #: None: the row is about the whole run.
    node: NodeKey | None = None
    attempt: int = 0
    #: What happened: `ended`, or the act (`launch`, `resume`, `cancel`, ...).
    act: str
    status: str
    name: str = ""
    delta: dict[str, Any] = Field(default_factory=dict)
    removed: tuple[str, ...] = ()
    error: NodeError | None = None
    who: str = ""
    why: str = ""
    started_at: datetime | None = None
    at: datetime


RUN_LOG = register_collection("run_log", LogRow)


class RunDocument(RunModel):
    """A run as stored."""

    id: RunId
    uuid: RunUuid
    kind: DefinitionKind
    definition: str
    definition_hash: DefinitionHash
    pool: str
    graph: Graph
    nodes: tuple[NodeState, ...]
    status: RunStatus = RunStatus.CREATED
    want: Want | None = None
    #: What steps read and change. `params` came with the launch and stay; `masked` names those that nobody is shown.
    state: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()
    #: The callbacks' tokens are made from this. Nobody outside of WMS sees it.
    secret: str = ""
    parent: Parent | None = None
    root: RunId | None = None
    #: The definitions above this run, the outermost first: none of them may be launched below.
    ancestors: tuple[str, ...] = ()
    organization: str = ""
    owner: str = ""
    launch_type: str = "manual"
    labels: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    explanation: str = ""
    wake_at: datetime | None = None
    rev: int = 0
    #: How many log rows there have been, and those that are not in `run_log` yet.
    n_rows: int = 0
    log: tuple[LogRow, ...] = ()
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


RUNS = register_collection("runs", RunDocument)


class InputDocument(RunModel):
    """An event from outside that nobody waited for yet, or that a wait has consumed. MongoDB deletes it in time."""

    id: str
    name: str
    correlation: str
    body: Any = None
    who: str = ""
    at: datetime
    expires_at: datetime
    #: The run and the node that took it.
    consumed_by: tuple[RunId, NodeKey] | None = None


INPUTS = register_collection("inputs", InputDocument)


class DefinitionDocument(RunModel):
    """A registered definition: one document for each hash."""

    name: str
    hash: DefinitionHash
    pool: str
    kind: DefinitionKind
    definition: dict[str, Any]
    #: When a step worker last registered it: of several with one name, the latest is launched.
    registered_at: datetime


DEFINITIONS = register_collection("definitions", DefinitionDocument)


class StepWorkerDocument(RunModel):
    """A step worker, as it last described itself."""

    name: str
    pool: str
    hashes: tuple[DefinitionHash, ...] = ()
    n_running: int = 0
    started_at: datetime
    seen_at: datetime


STEP_WORKERS = register_collection("step_workers", StepWorkerDocument)


class RunCounter(RunModel):
    """The last integer that was given to a run."""

    last: int


COUNTERS = register_collection("counters", RunCounter)
