"""Who may call which route: the table of `docs/reference/rights.md`, written down apart from the gateway's."""

from collections.abc import Mapping
from typing import Any

from tests.contract.conformance.world import ALPHA, CLAIMS, SUBMITTED, request

USER, ADMIN, AUDITOR, OPS, TMS, WMS = "user", "project-admin", "auditor", "ops", "system-tms", "system-wms"


USERS = {USER, ADMIN}


READERS = {*USERS, AUDITOR, OPS}


ACTORS = {*USERS, OPS}


SUPERUSER, SYSTEM_AUDITOR = "superuser", "system-auditor"


ORG_ADMIN, ORG_AUDITOR, ORG_MEMBER = "org-admin", "org-auditor", "org-member"


IN_ORGANIZATIONS = {SUPERUSER, SYSTEM_AUDITOR, ORG_ADMIN, ORG_AUDITOR, ORG_MEMBER}


ALL_CLAIMS: Mapping[str, Mapping[str, Any]] = {
    **CLAIMS,
    ADMIN: {"ewms_role": ADMIN},
    SUPERUSER: {"ewms_role": SUPERUSER},
    SYSTEM_AUDITOR: {"ewms_role": SYSTEM_AUDITOR},
    **{
        role: {"groups": [f"/organizations/north/{role.removeprefix('org-')}"]}
        for role in (ORG_ADMIN, ORG_AUDITOR, ORG_MEMBER)
    },
}


#: (method, path) -> (who may, a body that is good). Paths as the gateway's own document has them.
ROUTES: dict[tuple[str, str], tuple[set[str], Any]] = {
    ("GET", "/"): (READERS, None),
    ("GET", "/schema/openapi"): (READERS | {TMS}, None),
    ("POST", "/workflows"): (USERS, request()),
    ("GET", "/workflows/{workflow_id}"): (READERS, None),
    ("POST", "/workflows/{workflow_id}/actions/abort"): (ACTORS, {}),
    ("POST", "/workflows/{workflow_id}/actions/finished"): (ACTORS, {}),
    ("GET", "/events"): (READERS, None),
    ("GET", "/services"): (READERS | IN_ORGANIZATIONS, None),
    ("GET", "/audit"): (READERS | IN_ORGANIZATIONS - {ORG_MEMBER}, None),
    ("GET", "/workflows/{workflow_id}/events"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/graph"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/progress"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/explain"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/report"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/ending"): (READERS, None),
    ("POST", "/workflows/{workflow_id}/close-inputs"): (ACTORS, {}),
    ("POST", "/workflows/{workflow_id}/expected-results"): (ACTORS, {"n": 1_000_000}),
    ("GET", "/workflows/{workflow_id}/queues"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/queues/history"): (READERS, None),
    ("POST", "/workflows/{workflow_id}/queues/{mqid}/events"): (USERS, {"lines": "1"}),
    ("GET", "/workflows/{workflow_id}/queues/{mqid}/events"): (USERS, None),
    ("GET", "/workflows/{workflow_id}/queues/{mqid}/events/lines"): (USERS, None),
    ("GET", "/queues/{mqid}"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/failed-attempts"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/errors"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/events/{event_id}/trace"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/traces"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/dead-letters"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/dead-letters/groups"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/dead-letters/orders"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/dead-letters/whole"): (ACTORS, None),
    ("GET", "/workflows/{workflow_id}/dead-letters/{letter}"): (READERS, None),
    ("GET", "/workflows/{workflow_id}/dead-letters/{letter}/body"): (ACTORS, None),
    ("POST", "/workflows/{workflow_id}/dead-letters/actions/replay"): (ACTORS, {"all": True}),
    ("POST", "/workflows/{workflow_id}/dead-letters/actions/discard"): (ACTORS, {"all": True}),
    ("GET", "/task-directives/{task_id}"): (READERS, None),
    ("POST", "/task-directives/{task_id}/actions/add-workers"): (
        ACTORS | {TMS},
        {"cluster_location": ALPHA, "n_workers": 1},
    ),
    ("GET", "/taskforces/{taskforce_uuid}"): (READERS | {TMS}, None),
    ("GET", "/clusters"): (READERS, None),
    ("GET", "/clusters/{location}/drain"): ({OPS, AUDITOR}, None),
    ("PUT", "/clusters/{location}/drain"): ({OPS}, {"reason": "new disks"}),
    ("DELETE", "/clusters/{location}/drain"): ({OPS}, None),
    ("GET", "/quotas"): ({OPS, AUDITOR}, None),
    ("PUT", "/quotas"): ({OPS}, {"user": "zoe", "workflows": 5}),
    ("GET", "/taskforces/{taskforce_uuid}/logs"): (READERS, None),
    ("GET", "/taskforces/{taskforce_uuid}/logs/{name}"): (READERS, None),
    ("POST", "/query/workflows"): (READERS | {TMS}, {"query": {}}),
    ("POST", "/query/task-directives"): (READERS, {"query": {}}),
    ("POST", "/query/taskforces"): (READERS | {TMS}, {"query": {}}),
    ("GET", "/tms/pending-starter/taskforces"): ({TMS}, None),
    ("GET", "/tms/pending-stopper/taskforces"): ({TMS}, None),
    ("POST", "/tms/condor-submit/taskforces/{taskforce_uuid}"): ({TMS}, dict(SUBMITTED)),
    ("POST", "/tms/condor-submit/taskforces/{taskforce_uuid}/failed"): ({TMS}, {"error": "x"}),
    ("POST", "/tms/condor-rm/taskforces/{taskforce_uuid}"): ({TMS}, {}),
    ("POST", "/tms/condor-rm/taskforces/{taskforce_uuid}/failed"): ({TMS}, {"error": "x"}),
    ("POST", "/tms/condor-complete/taskforces/{taskforce_uuid}"): ({TMS}, {"condor_complete_ts": 1}),
    ("POST", "/tms/statuses/taskforces"): ({TMS}, {"top_task_errors_by_taskforce": {"TF-0": {"E": 1}}}),
    ("GET", "/mqs"): (READERS | {WMS}, None),
    ("GET", "/mqs/schema/openapi"): (READERS | {WMS}, None),
    ("GET", "/mqs/workflows/{workflow_id}/mq-profiles/public"): (USERS, None),
    ("POST", "/mqs/workflows/{workflow_id}/mq-group/reservation"): ({WMS}, {"queue_aliases": ["a"], "public": []}),
    ("POST", "/mqs/workflows/{workflow_id}/mq-group/activation"): ({WMS}, {"criteria": None}),
    ("GET", "/mqs/workflows/{workflow_id}/mq-group"): ({WMS}, None),
    ("GET", "/mqs/mq-profiles/{mqid}"): ({WMS}, None),
    ("GET", "/organizations"): (IN_ORGANIZATIONS, None),
    ("GET", "/organizations/{organization}"): (IN_ORGANIZATIONS, None),
    ("PUT", "/organizations/{organization}"): ({SUPERUSER}, {"title": "The north", "customer_ids": ["n-1"]}),
    ("GET", "/organizations/{organization}/members"): (IN_ORGANIZATIONS, None),
    ("PUT", "/organizations/{organization}/members"): (
        {SUPERUSER, ORG_ADMIN},
        {"principal": "sub:zoe", "role": ORG_MEMBER},
    ),
    ("DELETE", "/organizations/{organization}/members"): ({SUPERUSER, ORG_ADMIN}, None),
    ("GET", "/organizations/{organization}/secrets"): (IN_ORGANIZATIONS, None),
    ("PUT", "/organizations/{organization}/secrets/{secret}"): (
        {SUPERUSER, ORG_ADMIN},
        {"value": "S3cret-north"},
    ),
    ("DELETE", "/organizations/{organization}/secrets/{secret}"): ({SUPERUSER, ORG_ADMIN}, None),
}


#: Routes without a version, for everybody.
OPEN = {
    "/mqbroker-issuer/.well-known/jwks.json",
    "/api/",
    "/version",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/docs/openapi.json",
}


#: The routes that name no object in their path: what each can reach is tested here or by its own suite. A new route
#: is in this table, or has an id in its path and is in the matrix below by itself.
WITHOUT_ID: dict[tuple[str, str], str] = {
    ("GET", "/"): "nobody's",
    ("GET", "/schema/openapi"): "nobody's",
    ("GET", "/mqs"): "nobody's",
    ("GET", "/clusters"): "everybody's",
    ("GET", "/quotas"): "the server's",
    ("PUT", "/quotas"): "the server's",
    ("GET", "/events"): "finds the caller's own",
    ("GET", "/services"): "nobody's",
    ("GET", "/audit"): "finds what the caller may see",
    ("GET", "/mqs/schema/openapi"): "nobody's",
    ("GET", "/organizations"): "finds those in which the caller has a role",
    ("POST", "/workflows"): "makes the caller's own",
    ("POST", "/query/workflows"): "finds the caller's own",
    ("POST", "/query/task-directives"): "finds the caller's own",
    ("POST", "/query/taskforces"): "finds the caller's own",
    ("GET", "/tms/pending-starter/taskforces"): "of a schedd",
    ("GET", "/tms/pending-stopper/taskforces"): "of a schedd",
    ("POST", "/tms/statuses/taskforces"): "of a schedd",
}


#: Roles that see everybody's objects by design.
SEES_ALL = {AUDITOR, OPS, SUPERUSER, SYSTEM_AUDITOR}


#: Every pair of a route with an id and a role that may call it but is bound to its own objects.
BOUND = [(*route, role) for route, (roles, _) in ROUTES.items() if "{" in route[1] for role in sorted(roles - SEES_ALL)]


#: The codes for a foreign object and for one that does not exist, where these are not both 404: an id that is free can
#: be reserved; a workflow of nobody's has no public queues, in the contract's words; a TMS hears of its location first.
CODES: dict[tuple[str, str, str], tuple[int, int]] = {
    ("POST", "/mqs/workflows/{workflow_id}/mq-group/reservation", WMS): (404, 200),
    ("GET", "/mqs/workflows/{workflow_id}/mq-profiles/public", USER): (200, 200),
    ("GET", "/mqs/workflows/{workflow_id}/mq-profiles/public", ADMIN): (200, 200),
    ("POST", "/task-directives/{task_id}/actions/add-workers", TMS): (400, 400),
}


ABSENT = {
    "workflow_id": "WF-00000000-00000000",
    "task_id": "TK-00000000-00000000-00000000",
    "taskforce_uuid": "TF-00000000-00000000-00000000-00000000",
    "mqid": "a00000000000000000000",
    "name": "0.out",
    "letter": "0" * 20,
    "event_id": "00000000-0000-0000-0000-000000000000",
    "organization": "nowhere",
    "secret": "nothing",
    "location": "nowhere",
}
