"""`allo replay` over many calls: a change of policy is seen in the table and in the exit status."""

import json
import shutil

import pytest
import typer
from typer.testing import CliRunner

from pipelines.replay.dump import EVENTS
from server.cli_replay import make_replay
from tests.golden.behaviours import BEHAVIOURS, FOLDER

HALVED = ("--set", "endpoint_ms=200", "--set", "endpoint_sure_ms=160", "--set", "endpoint_unsure_ms=600")


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command()(make_replay(lambda *_: pytest.fail("no model is needed")))

    def invoke(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def calls(tmp_path):
    """Three calls, of which halved waits change one."""
    for name in ("draft_dropped", "answer", "languages"):
        shutil.copytree(FOLDER / name, tmp_path / "calls" / name)
    return tmp_path / "calls"


def test_a_version_that_decides_as_before_is_the_same(invoke):
    result = invoke(FOLDER)
    assert result.exit_code == 0
    assert f"{len(BEHAVIOURS)} calls" in result.output
    assert f"{len(BEHAVIOURS)} the same" in result.output


def test_halved_waits_are_shown_and_fail(invoke):
    result = invoke(FOLDER, *HALVED)
    assert result.exit_code == 1
    table = result.output
    assert "turns cut off" in table
    assert "gap, median" in table
    told = json.loads(invoke(FOLDER, *HALVED, "--json").stdout)
    assert told["changed"] > 3
    assert told["after"]["cut_off"] > told["before"]["cut_off"]
    (cut,) = [call for call in told["calls"] if call["dump"] == "draft_dropped"]
    changes = {change["measure"]: (change["before"], change["after"]) for change in cut["changes"]}
    assert changes["cut_off"] == (0, 1)
    assert changes["turns"] == (1, 2)
    assert "endpoint" in cut["difference"]
    (faster,) = [call for call in told["calls"] if call["dump"] == "half_a_sentence"]
    assert faster["after"]["gap"] < faster["before"]["gap"]


def test_the_same_settings_change_nothing(invoke, calls):
    assert invoke(calls, "--set", "speculate=true", "--set", "speech_on=0.5").exit_code == 0


def test_what_is_allowed_is_no_change(invoke, tmp_path):
    shutil.copytree(FOLDER / "half_a_sentence", tmp_path / "one")
    assert invoke(tmp_path, *HALVED).exit_code == 1
    assert invoke(tmp_path, *HALVED, "--allow", "gap=+0.7", "--allow", "longest_gap=0.7").exit_code == 0
    assert invoke(FOLDER / "draft_dropped", *HALVED, "--allow", "gap=9", "--allow", "longest_gap=9").exit_code == 1


def test_a_configuration_is_compared_with_the_recording_or_with_another(invoke, calls, tmp_path):
    slow, quick = tmp_path / "slow.toml", tmp_path / "quick.toml"
    slow.write_text("[turns]\nendpoint_ms = 900\nendpoint_max_ms = 1200")
    quick.write_text("[turns]\nendpoint_ms = 400\nendpoint_sure_ms = 320\nendpoint_max_ms = 1200")
    told = json.loads(invoke(calls, "--config", quick, "--against", slow, "--json").stdout)
    assert told["after"]["gap"] < told["before"]["gap"]
    assert invoke(calls, "--config", slow, "--against", slow).exit_code == 0


def test_a_call_that_cannot_be_read_fails_and_hides_no_other(invoke, calls):
    (calls / "answer" / "meta.json").write_text("{}")
    result = invoke(calls)
    assert result.exit_code == 2
    assert "2 the same, 1 could not be replayed" in result.output


def test_a_machine_that_decides_otherwise_is_shown(invoke, calls):
    lines = (calls / "answer" / EVENTS).read_text().splitlines()
    del lines[next(n for n, line in enumerate(lines) if '"TurnTaken"' in line)]
    (calls / "answer" / EVENTS).write_text("\n".join(lines) + "\n")
    result = invoke(calls)
    assert result.exit_code == 1
    assert "2 the same, 1 changed" in result.output
    assert "TurnTaken" in result.output


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "endpoint=1"),
        ("--allow", "speed=1"),
        ("--allow", "gap"),
        ("--config", "nowhere.toml"),
        ("--listen", "a.wav", "--set", "hold=false"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(invoke, calls, options):
    assert invoke(calls, *options).exit_code == 2


def test_several_folders_are_one_suite(invoke, calls):
    result = invoke(calls, FOLDER / "yes")
    assert result.exit_code == 0
    assert "4 calls" in result.output
