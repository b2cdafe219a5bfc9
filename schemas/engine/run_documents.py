"""The documents of runs in MongoDB: runs with their nodes, log rows, definitions, inputs from outside, a counter."""

from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.engine.graph import DefinitionKind, Graph
from schemas.engine.runs import NodeError, NodeState, Occurrence, Parent, RunModel, RunMoment, RunStatus, Want
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from schemas.registry import register_collection


class LogRow(RunModel):
    """A row of a run's log: an attempt of a node that has ended, or an act of a person. Rows never change."""

    run: RunId
    #: The number of this row in the run's log, from 1.
    number: int
    #: The node that the row is about; None means the whole run.
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
    """A run as it is stored."""

    id: RunId
    uuid: RunUuid
    kind: DefinitionKind
    definition: str
    #: The name of the definition for people, at the launch.
    title: str = ""
    definition_hash: DefinitionHash
    pool: str
    graph: Graph
    nodes: tuple[NodeState, ...]
    status: RunStatus = RunStatus.CREATED
    want: Want | None = None
    #: Steps read and change `state`. `params` come from the launch and never change. `masked` names the secret
    #: keys of both and of the nodes' artifacts; their values are stored encrypted (`wms.encryption`).
    state: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    #: The answers to prompts that count for this run: `limit`, `job_tags` and so on. Runs below it may take them over.
    prompts: dict[str, Any] = Field(default_factory=dict)
    #: The pages of the form, until a step worker has evaluated them; then the run begins. None if the run has no form.
    pages: tuple[dict[str, Any], ...] | None = None
    masked: tuple[str, ...] = ()
    #: WMS makes the callbacks' tokens from this secret, which never leaves WMS.
    secret: str = ""
    parent: Parent | None = None
    root: RunId | None = None
    #: The definitions above this run, the outermost first. None of these definitions may run below this run.
    ancestors: tuple[str, ...] = ()
    organization: str = ""
    owner: str = ""
    launch_type: str = "manual"
    labels: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    #: The run whose step has started this run. Unlike a parent, that run does not wait for this run.
    started_by: RunId | None = None
    #: The earlier run of which this run is a new launch.
    relaunch_of: RunId | None = None
    #: The occurrence of a schedule for which WMS launched it.
    occurrence: Occurrence | None = None
    #: A note that people wrote about the run.
    note: str = ""
    explanation: str = ""
    #: What this run has still to tell by notifications. Its first write sets it, and `wms.notifications` empties it.
    untold: tuple[RunMoment, ...] = ()
    wake_at: datetime | None = None
    rev: int = 0
    #: How many log rows there have been, and the rows that are not in `run_log` yet.
    n_rows: int = 0
    log: tuple[LogRow, ...] = ()
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


RUNS = register_collection("runs", RunDocument)


class InputDocument(RunModel):
    """An event from outside. It waits for a node, or a node has consumed it. MongoDB deletes it at `expires_at`."""

    id: str
    #: Only runs of this organization get the event.
    organization: str = ""
    name: str
    correlation: str
    body: Any = None
    who: str = ""
    at: datetime
    expires_at: datetime
    #: The run and the node that consumed the event.
    consumed_by: tuple[RunId, NodeKey] | None = None


INPUTS = register_collection("inputs", InputDocument)


class DefinitionDocument(RunModel):
    """A registered definition. There is one document for each hash."""

    name: str
    hash: DefinitionHash
    pool: str
    kind: DefinitionKind
    definition: dict[str, Any]
    #: When a step worker last registered the definition. Of several with the same name, a launch uses the latest.
    registered_at: datetime


DEFINITIONS = register_collection("definitions", DefinitionDocument)


class StepWorkerDocument(RunModel):
    """A step worker, as it last reported itself."""

    name: str
    pool: str
    hashes: tuple[DefinitionHash, ...] = ()
    n_running: int = 0
    started_at: datetime
    seen_at: datetime


STEP_WORKERS = register_collection("step_workers", StepWorkerDocument)


class RunCounter(RunModel):
    """The number that the latest run has."""

    last: int


COUNTERS = register_collection("counters", RunCounter)


class EngineSettings(RunModel):
    """The settings that administrators make for the whole engine."""

    #: Whether no new step may begin.
    is_locked: bool = False
    changed_by: str = ""
    changed_at: datetime | None = None


ENGINE_SETTINGS = register_collection("engine_settings", EngineSettings)
