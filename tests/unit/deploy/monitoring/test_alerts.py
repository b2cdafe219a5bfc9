"""The rules of Prometheus and the dashboards of Grafana name metrics that there are, and each alert has its page."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from deploy.monitoring.dashboards import DIRECTORY, render_dashboard
from deploy.monitoring.metrics_page import load_metrics
from deploy.monitoring.panels import DASHBOARDS, Dashboard

ROOT = Path(__file__).parents[4]
PROMETHEUS = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
TESTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
#: What Prometheus itself, its client library and the broker show.
OF_OTHERS = {
    "up",
    "process_resident_memory_bytes",
    "rabbitmq_detailed_queue_messages",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_free_disk_space_watermark",
}
_SELECTOR = re.compile(r"\b((?:ewms|rabbitmq|process|up)\w*)\b(?:\{([^}]*)\})?")


def list_queries() -> Iterator[tuple[str, str]]:
    """Yield where a query stands, and the query."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query, _ in panel.queries:
                yield f"{dashboard.name}: {panel.title}", query


@cache
def list_series() -> dict[str, frozenset[str]]:
    """Return the labels of each series that the services show, by the series' name."""
    series: dict[str, frozenset[str]] = {}
    for metric in load_metrics():
        labels = frozenset(metric.labels)
        if metric.kind == "histogram":
            series |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
            series[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            series[metric.name] = labels
    return series


@pytest.mark.parametrize(("place", "query"), list(list_queries()))
def test_a_query_names_series_and_labels_that_there_are(place: str, query: str) -> None:
    promql_parser.parse(query)
    without_labels = re.sub(r"\bby \([^)]*\)", "", query)
    found = _SELECTOR.findall(without_labels)
    assert found, place
    for name, matchers in found:
        if name not in OF_OTHERS:
            asked = set(re.findall(r"(\w+)\s*[=!]", matchers))
            assert asked <= list_series()[name], (place, name)


def test_each_alert_has_a_page_with_what_to_type() -> None:
    for rule in RULES:
        page = ROOT / rule["annotations"]["page"]
        assert page == ROOT / f"docs/alerts/{rule['alert']}.md"
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert headings == ["What it means", "What to look at", "What to type"], page
        assert "```console\n$ " in page.read_text(), page
    pages = {path.stem for path in (ROOT / "docs/alerts").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in RULES}


def test_each_alert_is_tried_for_firing_and_for_silence() -> None:
    tried = {(case["alertname"], bool(case.get("exp_alerts"))) for test in TESTS for case in test["alert_rule_test"]}
    assert tried == {(rule["alert"], fires) for rule in RULES for fires in (False, True)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["annotations"]["summary"][:20])
def test_the_list_of_alerts_says_after_which_time_each_one_fires(rule: dict[str, Any]) -> None:
    listed = (ROOT / "docs/alerts/README.md").read_text()
    (line,) = (line for line in listed.splitlines() if line.startswith(f"| [{rule['alert']}]("))
    assert line.endswith(f"| {rule['labels']['severity']} | {rule['for']} |")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_dashboard_is_that_of_the_code(dashboard: Dashboard) -> None:
    written = (DIRECTORY / f"{dashboard.name}.json").read_text()
    assert written == render_dashboard(dashboard), "run python -m deploy.monitoring.dashboards"
    panels = json.loads(written)["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels)
