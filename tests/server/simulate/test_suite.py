"""Suites: what a file may say, and what is said of one that is wrong."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import ConfigError
from server.simulate.suite import dated, load_suite

SIMULATED = Path(__file__).parents[2] / "simulated"


@pytest.mark.parametrize("path", sorted(SIMULATED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_suite_here_can_be_read(path: Path):
    suite = load_suite(path)
    assert {scenario.language for scenario in suite.scenario} == {"en", "fr"}
    assert len(suite.scenario) >= 15


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "scenario: is missing"),
        ("[[scenario]]\nname = 'a'", "either \\[\\[scenario.turn\\]\\] or a `goal`"),
        ("[[scenario]]\nname = 'a'\ngoal = 'x'\nturns = 3", "scenario\\[0\\].turns: unknown key"),
        ("[[scenario]]\nname = 'a'\ngoal = 'x'\nsays = ['(']", "no regular expression"),
        ("[[scenario]]\nname = 'a'\ngoal = 'x'\n[[scenario]]\nname = 'a'\ngoal = 'y'", "two scenarios are called a"),
        ("[[claim]]\nsays = 'x'\n[[scenario]]\nname = 'a'\ngoal = 'x'", "by a `row` or by a `tool`"),
        ("[[scenario", "not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str):
    (tmp_path / "suite.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_suite(tmp_path / "suite.toml")


def test_days_are_dates():
    tuesday = date(2026, 11, 24)
    assert (
        dated("{today} {tomorrow} {thursday} {tuesday} \\d{4}", tuesday)
        == "2026-11-24 2026-11-25 2026-11-26 2026-12-01 \\d{4}"
    )
