"""The workflow service from anywhere: its nine methods, over REST.

with WorkflowService() as flows:
    flow_id = flows.create_work_flow("c1", "cluster", "create_cluster")
    flows.init_context(flow_id, "n_hosts", 3)
    flows.start(flow_id)
    print(flows.detail_work_flow(flow_id).info.status)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

from ewms.durations import Duration, parse_seconds
from ewms.flows.defining import WorkflowDefine
from ewms.flows.registry import register_workflow
from ewms.gateway.http import Gateway
from ewms.gateway.server import find_server
from ewms.loop_thread import LoopThread
from ewms.steps.json_values import to_plain
from schemas.api.flows import FlowDetail, FlowList, FlowPage, FlowShape
from schemas.engine.flows import FlowStatus

_PREFIX = "/api/v1/workflow"


class WorkflowService:
    """A user's session with the workflow service of one EWMS server.

    Whatever a method raises, the error's text is the server's, such as "workflow start failed: ...".
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        timeout: Duration = 30,
    ) -> None:
        """Find the server: in the arguments, then the environment, then `.ewms/endpoints.json`.

        Raises:
            Rejected: no server is named, or its address is malformed.
        """
        self.server = find_server(server, token=token, token_file=token_file, cluster=None)
        self._timeout_s = parse_seconds(timeout)
        self._portal: LoopThread | None = None
        self._gateway: Gateway | None = None

    def __enter__(self) -> Self:
        self._portal = LoopThread()
        self._gateway = self._portal.run_coroutine(self._open_gateway)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _open_gateway(self) -> Gateway:
        return Gateway(self.server, timeout_s=self._timeout_s, prefix=_PREFIX)

    def close(self) -> None:
        """Close the connections to the server. Leaving the `with` block does the same."""
        if self._portal is not None and self._gateway is not None:
            self._portal.run_coroutine(self._gateway.close)
            self._portal.close()
        self._portal = self._gateway = None

    def register_work_flow(self, flow_name: str, flow_define: WorkflowDefine) -> None:
        """Offer a flow under a name. A worker that imports the module with this call tells the server of it."""
        register_workflow(flow_name, flow_define)

    def get_work_flow_define(self, flow_name: str) -> FlowShape:
        """Return the flow that a worker registered last under this name.

        Raises:
            NotThere: no worker has registered one.
        """
        return FlowShape.model_validate(self._get(f"/definitions/{quote(flow_name, safe='')}")["data"])

    def create_work_flow(self, biz_id: str, biz_type: str, flow_name: str, *, organization: str = "") -> str:
        """Create a flow, which is not started, and return its id.

        `organization` owns it. A caller who may start flows in several organizations names one.

        Raises:
            NotThere: no worker has registered a flow of this name.
        """
        body = {"bizId": biz_id, "bizType": biz_type, "flowName": flow_name}
        if organization:
            body["organization"] = organization
        made: str = self._post("/create", body)["workFlowId"]
        return made

    def list_work_flows(
        self,
        *,
        status: FlowStatus | str = "",
        flow_name: str = "",
        biz_id: str = "",
        biz_type: str = "",
        page: int = 1,
        page_size: int = 10,
    ) -> tuple[FlowList, FlowPage]:
        """Return a page of the flows that match, the newest first, and how many there are.

        `flow_name` is a part of the name.
        """
        query = {"status": status, "flowName": flow_name, "bizId": biz_id, "bizType": biz_type}
        given = {name: str(value) for name, value in query.items() if value}
        answer = self._get(f"/?{urlencode({**given, 'page': page, 'pageSize': page_size})}")
        return FlowList.model_validate(answer["data"]), FlowPage.model_validate(answer["page"])

    def detail_work_flow(self, flow_id: str) -> FlowDetail:
        """Return a flow with all of its nodes."""
        return FlowDetail.model_validate(self._get(f"/{quote(flow_id, safe='')}")["data"])

    def init_context(self, flow_id: str, key: str, value: Any) -> None:
        """Set a key of the context of a flow that has not started. Convert the value to JSON.

        Raises:
            NotPlain: the value has no form in JSON.
        """
        self._post("/init-context", {"workFlowId": flow_id, "key": key, "value": to_plain(value, key)})

    def start(self, flow_id: str) -> None:
        """Start a flow, or continue it where it was stopped. Return before the first node ends.

        Raises:
            ServerFailed: there is no such flow, or its status does not allow a start.
        """
        self._post("/start", {"workFlowId": flow_id})

    def stop(self, flow_id: str) -> None:
        """Stop a flow at its current node: that runs to its end, and the next does not start."""
        self._post("/stop", {"workFlowId": flow_id})

    def cancel(self, flow_id: str, reason: str) -> None:
        """End a flow for good, as soon as its current node allows. Return at once. The flow shows the `reason`."""
        self._post("/cancel", {"workFlowId": flow_id, "reason": reason})

    def _get(self, path: str) -> Any:
        portal, gateway = self._find_connection()
        return portal.run_coroutine(lambda: gateway.get_json(path))

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        portal, gateway = self._find_connection()
        return portal.run_coroutine(lambda: gateway.post_json(path, body))["data"]

    def _find_connection(self) -> tuple[LoopThread, Gateway]:
        if self._portal is None or self._gateway is None:
            raise RuntimeError("open the service first: `with WorkflowService() as flows:`")
        return self._portal, self._gateway
