"""`python -m deploy.monitoring.dashboards` writes Grafana's dashboards to deploy/grafana, made from `panels`."""

import json
from pathlib import Path
from typing import Any

from deploy.monitoring.panels import DASHBOARDS, Dashboard, Panel

DIRECTORY = Path(__file__).parents[1] / "grafana"

#: Grafana's grid has 24 columns; two panels stand side by side.
_WIDTH, _HEIGHT = 12, 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}


def render_dashboard(dashboard: Dashboard) -> str:
    """Return the JSON text that Grafana imports."""
    document = {
        "uid": f"ewms-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["ewms"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_describe_panel(panel, number) for number, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(document, indent=2) + "\n"


def _describe_panel(panel: Panel, number: int) -> dict[str, Any]:
    row, column = divmod(number, 2)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }


def main() -> None:
    """Write all dashboards."""
    for dashboard in DASHBOARDS:
        (DIRECTORY / f"{dashboard.name}.json").write_text(render_dashboard(dashboard))


if __name__ == "__main__":
    main()
