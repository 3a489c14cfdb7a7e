"""What is shipped for Prometheus and Grafana speaks of metrics, labels and alerts that exist."""

import json
import re
from pathlib import Path

import pytest

from server.observe.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text()
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()
DASHBOARD = json.loads((DEPLOY / "grafana" / "allo.json").read_text())


def exported() -> set[str]:
    """Every name under which a server's metrics can be scraped."""
    names = set()
    for family in Metrics().registry.collect():
        names |= {family.name}
        if family.type == "counter":
            names |= {f"{family.name}_total"}
        if family.type == "histogram":
            names |= {f"{family.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
    return names


def expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return panels + re.findall(r"expr: (.*)", ALERTS)


@pytest.mark.parametrize("expression", expressions())
def test_every_query_asks_for_a_metric_that_there_is(expression):
    asked = re.findall(r"\b(?:allo|process)_\w+", expression) or re.findall(r"\bup\b", expression)
    assert asked
    assert {name for name in asked if name != "up"} <= exported()


def test_every_alert_has_its_place_in_the_runbook():
    alerts = re.findall(r"alert: (\w+)", ALERTS)
    assert re.findall(r"^## (\w+)", RUNBOOK, re.MULTILINE) == alerts
    assert re.findall(r"RUNBOOK.md#(\w+)", ALERTS) == [name.lower() for name in alerts]
    assert ALERTS.count("severity: page") + ALERTS.count("severity: ticket") == len(alerts)


def test_a_dashboard_panel_overlaps_no_other():
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
