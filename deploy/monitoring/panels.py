"""The panels of the four dashboards: a title, a unit and queries each. (data)

A query is PromQL, and the text after it names its lines. `deploy.monitoring.dashboards` makes Grafana's JSON of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: `queries` are pairs of a query and the legend of its lines."""

    title: str
    queries: Sequence[tuple[str, str]]
    #: Grafana's name of the unit of the values.
    unit: str = "short"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard, in the file `<name>.json`."""

    name: str
    title: str
    panels: Sequence[Panel]


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Return queries for the median and the 95th percentile of a histogram, by the label `by` if one is given."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        (f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[5m])))", f"{name}{legend}")
        for share, name in ((0.5, "median"), (0.95, "95 %"))
    )


FLEET = Dashboard(
    "fleet",
    "EWMS: fleet",
    (
        Panel("Workflows by state", (("max by (state) (ewms_workflows)", "{{state}}"),)),
        Panel("Stalled workflows by cause", (("max by (cause) (ewms_wms_workflows_stalled)", "{{cause}}"),)),
        Panel(
            "Workers by status",
            (("sum by (status) (max by (cluster, status) (ewms_workers))", "{{status}}"),),
        ),
        Panel(
            "Running workers by cluster",
            (('max by (cluster) (ewms_workers{status="RUNNING"})', "{{cluster}}"),),
        ),
        Panel("Taskforces by phase", (("sum by (phase) (max by (cluster, phase) (ewms_taskforces))", "{{phase}}"),)),
        Panel("Holds per hour", (("sum by (reason) (rate(ewms_workers_held_total[1h])) * 3600", "{{reason}}"),)),
        Panel("Seconds to the first worker", quantiles("ewms_worker_start_seconds"), "s"),
        Panel(
            "Runs of tasks per minute",
            (("sum by (outcome) (rate(ewms_task_events_total[5m])) * 60", "{{outcome}}"),),
        ),
        Panel("Seconds of a task for an event", quantiles("ewms_task_seconds", "cluster"), "s"),
        Panel("Seconds of a submit", quantiles("ewms_submit_seconds"), "s"),
        Panel("Seconds of calls of the schedd", quantiles("ewms_schedd_seconds", "call"), "s"),
        Panel(
            "Seconds since the last statuses",
            (("time() - max by (cluster) (ewms_cluster_heard_timestamp_seconds)", "{{cluster}}"),),
            "s",
        ),
        Panel(
            "Unread bytes of job event logs",
            (("sum by (cluster) (ewms_job_event_log_lag_bytes)", "{{cluster}}"),),
            "bytes",
        ),
        Panel(
            "Taskforces in trouble",
            (
                ("sum(ewms_taskforces_unmatched)", "no slot takes their jobs"),
                ("sum(ewms_taskforces_all_bad)", "fail on every worker"),
            ),
        ),
    ),
)

QUEUES = Dashboard(
    "queues",
    "EWMS: queues",
    (
        Panel(
            "Events that wait, by kind of queue",
            (('max by (queues) (ewms_mqs_events{state="ready"})', "{{queues}}"),),
        ),
        Panel(
            "Events in work, by kind of queue",
            (('max by (queues) (ewms_mqs_events{state="unacknowledged"})', "{{queues}}"),),
        ),
        Panel(
            "Failed events that wait for their next attempt",
            (('max by (queues) (ewms_mqs_events{state="delayed"})', "{{queues}}"),),
        ),
        Panel("Queues without takers", (("max by (queues) (ewms_mqs_queues_without_takers)", "{{queues}}"),)),
        Panel(
            "Dead letters per hour", (("sum by (reason) (rate(ewms_mqs_dead_letters_total[1h])) * 3600", "{{reason}}"),)
        ),
        Panel("Failed attempts per hour", (("sum(rate(ewms_mqs_failed_attempts_total[1h])) * 3600", "attempts"),)),
        Panel(
            "Queues and their budget",
            (("max(ewms_mqs_queues_held)", "held"), ("max(ewms_mqs_queues_budget)", "budget")),
        ),
        Panel("Groups that wait for room", (("max(ewms_mqs_groups_waiting)", "groups"),)),
        Panel("Bytes of events on the broker", (("max(ewms_mqs_broker_bytes)", "bytes"),), "bytes"),
        Panel("Owners over their share", (("max(ewms_mqs_owners_over_share)", "owners"),)),
        Panel("Seconds to create a group's queues", quantiles("ewms_mqs_declare_seconds"), "s"),
        Panel("Tokens per minute", (("sum by (kind) (rate(ewms_mqs_tokens_minted_total[5m])) * 60", "{{kind}}"),)),
    ),
)

CONTROL_PLANE = Dashboard(
    "control-plane",
    "EWMS: control plane",
    (
        Panel("Processes", (('up{job=~"ewms-.*"}', "{{job}} {{instance}}"),)),
        Panel("Dependencies", (("min by (job, dependency) (ewms_dependency_up)", "{{job}} {{dependency}}"),)),
        Panel("Versions", (("count by (service, version) (ewms_build_info)", "{{service}} {{version}}"),)),
        Panel(
            "Requests per second", (("sum by (code) (rate(ewms_http_request_seconds_count[5m]))", "{{code}}"),), "reqps"
        ),
        Panel("Seconds of a request", quantiles("ewms_http_request_seconds"), "s"),
        Panel(
            "Refused requests per second",
            (("sum by (reason) (rate(ewms_http_refused_total[5m]))", "{{reason}}"),),
            "reqps",
        ),
        Panel("Open streams", (("sum(ewms_streams_open)", "streams"),)),
        Panel(
            "Age of the oldest event in the outbox", (("max by (job) (ewms_outbox_oldest_seconds)", "{{job}}"),), "s"
        ),
        Panel(
            "Events sent per second",
            (("sum by (job, found_by) (rate(ewms_outbox_sent_total[5m]))", "{{job}} {{found_by}}"),),
        ),
        Panel(
            "Events taken per second",
            (("sum by (job, outcome) (rate(ewms_events_taken_total[5m]))", "{{job}} {{outcome}}"),),
        ),
        Panel("Seconds since MQS counted", (("time() - max(ewms_mqs_counted_timestamp_seconds)", "seconds"),), "s"),
        Panel(
            "Memory of processes", (('process_resident_memory_bytes{job=~"ewms-.*"}', "{{job}} {{instance}}"),), "bytes"
        ),
    ),
)

RUNS = Dashboard(
    "runs",
    "EWMS: runs",
    (
        Panel("Runs by status", (("sum by (status) (max by (kind, status) (ewms_runs))", "{{status}}"),)),
        Panel("Runs by kind", (("sum by (kind) (max by (kind, status) (ewms_runs))", "{{kind}}"),)),
        Panel("Step workers by pool", (("max by (pool) (ewms_pool_workers)", "{{pool}}"),)),
        Panel(
            "Steps per minute by outcome",
            (("sum by (outcome) (rate(ewms_steps_seconds_count[5m])) * 60", "{{outcome}}"),),
        ),
        Panel("Seconds of a step", quantiles("ewms_steps_seconds", "pool"), "s"),
        Panel("Commits per second", (("sum by (stimulus) (rate(ewms_run_commits_total[5m]))", "{{stimulus}}"),)),
        Panel("Flows per hour", (("sum by (flow_status) (rate(ewms_work_flow_total[1h])) * 3600", "{{flow_status}}"),)),
        Panel(
            "Notifications per hour",
            (("sum by (outcome) (rate(ewms_notification_attempts_total[1h])) * 3600", "{{outcome}}"),),
        ),
        Panel("Calls that hang", (("sum(ewms_steps_hung_forms)", "forms and conditions"),)),
    ),
)

DASHBOARDS = (FLEET, QUEUES, CONTROL_PLANE, RUNS)
