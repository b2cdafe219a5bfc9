"""`python -m deploy.monitoring.metrics_page` prints docs/reference/metrics.md, made from what the services declare.

With `--write` it writes the page to the file.
"""

import argparse
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from runtime.telemetry import DECLARED_METRICS, MetricDeclaration

PATH = Path(__file__).parents[2] / "docs/reference/metrics.md"

#: What each service builds itself from. Their imports declare all metrics.
_SERVICES = ("wms.app", "mqs.app", "tms.app", "ewms.worker.app")
_HEAD = """# Metrics

Every service shows its metrics in Prometheus's text form at `/metrics`: WMS on its gateway; MQS, TMS and step workers
at `EWMS_HTTP_HOST` and `EWMS_HTTP_PORT`. No label is an id of a workflow, a run or a user.
`python -m deploy.monitoring.metrics_page --write` makes this page from the code, and a test compares them.
[Watching EWMS](../howto/watch.md) says how to scrape and what to look at.

- A histogram has three series: `<name>_bucket`, `<name>_sum` and `<name>_count`.
- `cluster` is the name of a location. A TMS serves one schedd and does not know that name: give its target the label in
  Prometheus's configuration, as `deploy/prometheus/prometheus.yml` does.
- Gauges about documents and queues (`ewms_workflows`, `ewms_runs`, `ewms_mqs_events`, ...) are counted in the database
  or on the broker. Each replica shows the same number: combine them by `max`, never by `sum`. If a replica cannot
  count, its values disappear after 90 s.
- `ewms_task_events_total` and `ewms_task_seconds` come from what pilots chirp about their own work, once a minute or
  sooner. They count runs of the task: an event that fails twice and then succeeds is two `failed` and one `done`. They
  leave out runs that were interrupted, what a killed pilot did after its last report, pilots with
  `EWMS_PILOT_HTCHIRP=False`, those of a TMS that polls over REST, and those above 5 000 at once in a taskforce. If a
  job event log is replaced, its runs count again. User code on a worker can chirp too: watch these numbers, and bill
  nobody by them.

| Metric | Kind | Labels | Meaning |
|---|---|---|---|
"""


def load_metrics() -> list[MetricDeclaration]:
    """Return the metrics of all services, in the order of their names."""
    for service in _SERVICES:
        import_module(service)
    return sorted(DECLARED_METRICS, key=lambda metric: metric.name)


def render_page(metrics: Iterable[MetricDeclaration]) -> str:
    """Return the text of the page."""
    rows = (
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in metrics
    )
    return _HEAD + "\n".join(rows) + "\n"


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description="The reference page of metrics.")
    parser.add_argument("--write", action="store_true", help="write the page to docs/reference/metrics.md")
    page = render_page(load_metrics())
    if parser.parse_args().write:
        PATH.write_text(page)
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
