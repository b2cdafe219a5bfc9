"""Bodies of the routes of flows, below /api/v1/workflow. The names of their fields are in camel case."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from schemas.engine.flows import FlowStatus
from schemas.lazy_model import LazyModel

Text = Annotated[str, StringConstraints(max_length=255)]
Named = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class FlowBody(LazyModel):
    """A part of a request or of an answer. Unknown members are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class CreateFlowRequest(FlowBody):
    """The body of POST /create."""

    flow_name: Named
    biz_id: Text = ""
    biz_type: Text = ""
    #: The organization that owns the flow; if empty, the only organization in which the caller may start flows.
    organization: Text = ""


class FlowRequest(FlowBody):
    """The body of POST /start and /stop."""

    work_flow_id: Named


class InitContextRequest(FlowRequest):
    """The body of POST /init-context."""

    key: Named
    value: Any


class CancelFlowRequest(FlowRequest):
    """The body of POST /cancel."""

    reason: Annotated[str, StringConstraints(max_length=4096)] = ""


class FlowInfo(FlowBody):
    """One flow in a list."""

    id: str
    name: str
    biz_id: str
    biz_type: str
    status: FlowStatus
    #: Why the flow was stopped or canceled, or ended with this status.
    reason: str = ""
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None = None


class FlowNodeInfo(FlowBody):
    """One node of a flow."""

    id: str
    parent_id: str
    edge: str
    name: str
    parameters: str
    operation_id: str
    result: str
    status: FlowStatus
    start_time: datetime | None = None
    end_time: datetime | None = None


class FlowList(FlowBody):
    """The `data` in the answer of GET /."""

    work_flows: tuple[FlowInfo, ...] = ()


class FlowDetail(FlowBody):
    """The `data` in the answer of GET /{workFlowId}."""

    info: FlowInfo
    nodes: tuple[FlowNodeInfo, ...] = ()
    node_names: tuple[str, ...] = ()


class FlowCreated(FlowBody):
    """The `data` in the answer of POST /create."""

    work_flow_id: str


class FlowPage(FlowBody):
    """Which page of a list an answer has, and how many flows there are on all pages."""

    page: Annotated[int, Field(ge=1)]
    page_size: Annotated[int, Field(ge=1)]
    total: Annotated[int, Field(ge=0)]


class FlowNodeShape(FlowBody):
    """A node of a definition."""

    name: str
    success_edge: str = ""
    failure_edge: str = ""
    function: str = ""


class FlowShape(FlowBody):
    """A definition: its nodes, and the names of the nodes that run if none fails."""

    flow_name: str
    description: str = ""
    pool: str = ""
    node_names: tuple[str, ...] = ()
    nodes: dict[str, FlowNodeShape] = Field(default_factory=dict)


class FlowShapes(FlowBody):
    """The `data` in the answer of GET /definitions."""

    definitions: tuple[FlowShape, ...] = ()


class NoData(FlowBody):
    """The data of an answer that has no data."""


class FlowAnswer(FlowBody):
    """The answer to a call that has succeeded."""

    code: Literal[0] = 0
    message: Literal["OK"] = "OK"


class FlowListAnswer(FlowAnswer):
    """The answer of GET /."""

    data: FlowList
    page: FlowPage


class FlowDetailAnswer(FlowAnswer):
    """The answer of GET /{workFlowId}."""

    data: FlowDetail


class FlowCreatedAnswer(FlowAnswer):
    """The answer of POST /create."""

    data: FlowCreated


class FlowShapesAnswer(FlowAnswer):
    """The answer of GET /definitions."""

    data: FlowShapes


class FlowShapeAnswer(FlowAnswer):
    """The answer of GET /definitions/{flowName}."""

    data: FlowShape


class FlowDoneAnswer(FlowAnswer):
    """The answer of POST /start, /stop, /cancel and /init-context: it has a code and no data."""

    data: NoData = NoData()
