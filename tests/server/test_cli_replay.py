"""`allo replay`: what it prints, what it writes, how it exits."""

import json

import msgspec
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from pipelines.events import ReplyDelta
from pipelines.replay.dump import EVENTS, Dump
from pipelines.replay.virtual import run
from server.cli_replay import ReplayModels, make_replay
from server.observe.recorder import Recorder
from tests.helpers.replay import SETTINGS, TWO_PARTIES, Counting, Loudness, answers, caller, tone


class Words:
    """An asynchronous agent."""

    def __init__(self):
        self.remembered = []

    async def reply(self, reply, text, language):
        yield ReplyDelta(reply, "Certainly. ")
        yield ReplyDelta(reply, "Goodbye now.")

    def remember(self, reply, text):
        self.remembered.append((reply, text))


@pytest.fixture
def agent():
    return Words()


@pytest.fixture
def invoke(agent):
    asked = []

    def open_models(config, name, outbound, with_agent):
        asked.append((config, name, with_agent))
        return ReplayModels(SETTINGS, Loudness(), Counting(), tone, agent if with_agent else None)

    app = typer.Typer()
    app.command("replay")(make_replay(open_models))

    def invoke(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    invoke.asked = asked
    return invoke


@pytest.fixture(scope="module")
def call() -> Dump:
    return run(caller(8), answers())


@pytest.fixture
def root(tmp_path, call):
    """A dump root with one recorded call."""
    recorder = Recorder(tmp_path / "calls")
    save(recorder, call)
    recorder.close()
    return tmp_path / "calls"


def save(recorder, call, call_id="CA1"):
    recording = recorder.open(msgspec.structs.replace(call.meta, call_id=call_id))
    for step in call.steps:
        recording.write(step.at, step.event, step.actions)
    return recording.close().result(10)


@pytest.fixture
def folder(root):
    return next(root.iterdir())


def test_same_decisions(invoke, folder, call):
    result = invoke(folder)
    assert result.exit_code == 0
    assert f"same decisions: {len(call.steps)} events" in result.output


def test_json_has_the_verdict_and_the_transcript(invoke, folder, call):
    result = invoke(folder, "--json")
    told = json.loads(result.output)
    assert told["same"] is True
    assert told["divergence"] is None
    assert told["turns"] == msgspec.to_builtins(call.turns())


def test_a_changed_dump_differs(invoke, folder):
    lines = (folder / EVENTS).read_text().splitlines()
    place = next(index for index, line in enumerate(lines) if '"TurnTaken"' in line)
    del lines[place]
    (folder / EVENTS).write_text("\n".join(lines) + "\n")
    result = invoke(folder)
    assert result.exit_code == 1
    assert "TurnTaken" in result.output
    told = json.loads(invoke(folder, "--json").output)
    assert told["same"] is False
    assert told["divergence"]["line"] <= place + 1
    assert any("TurnTaken" in action for action in told["divergence"]["got"])


@pytest.mark.parametrize("name", ["nowhere", ".", "sound.wav"])
def test_what_cannot_be_replayed(invoke, tmp_path, name):
    (tmp_path / "sound.wav").write_bytes(b"RIFF")
    result = invoke(tmp_path / name)
    assert result.exit_code == 2
    assert name.strip(".") in result.output


def test_a_folder_of_calls_is_a_table(invoke, root, call, tmp_path):
    recorder = Recorder(root)
    broken = save(recorder, call, "CA2")
    recorder.close()
    assert invoke(root).exit_code == 0
    (broken / "meta.json").write_text("{}")
    result = invoke(root, "--json")
    assert result.exit_code == 2
    first, second = json.loads(result.output)["calls"]
    assert first["same"] is True
    assert "format" in second["error"]


def test_wav_and_picture_are_written(invoke, folder, tmp_path, call):
    result = invoke(folder, "--listen", tmp_path / "a.wav", "--picture", tmp_path / "a.png")
    assert result.exit_code == 0
    assert soundfile.info(tmp_path / "a.wav").channels == 2
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert invoke(folder, "--listen", tmp_path / "no" / "a.wav").exit_code == 2


def test_models_hear_the_call_again(invoke, folder, call):
    result = invoke(folder, "--models", "--fixed", "--json")
    told = json.loads(result.output)
    assert result.exit_code == 0
    assert told["recorded"] == msgspec.to_builtins(call.turns())
    assert [turn["text"] for turn in told["now"]] == [turn["text"] for turn in told["recorded"]]
    assert invoke.asked == [(None, "practice", False)]
    table = invoke(folder, "--models").output
    assert "recorded" in table
    assert "I spoke for" in table


def test_the_real_agent_answers_when_asked_to(invoke, folder, agent):
    told = json.loads(invoke(folder, "--models", "--agent", "--fixed", "--json").output)
    assert "Certainly. Goodbye now." in [turn["text"] for turn in told["now"]]
    assert agent.remembered


def test_a_sound_file_is_a_caller(invoke, tmp_path):
    path = tmp_path / "caller.wav"
    soundfile.write(path, soundfile.read(TWO_PARTIES)[0], 8_000, subtype="ULAW")
    assert invoke(path, "--models").exit_code == 2  # which channel?
    result = invoke(path, "--models", "--channel", 1, "--after", 4, "--fixed", "--json")
    told = json.loads(result.output)
    assert told["recorded"] == []
    assert {turn["party"] for turn in told["now"]} == {"caller", "agent"}
    assert "Certainly. Goodbye now." in [turn["text"] for turn in told["now"]]


def test_an_agent_that_was_asked_for_and_is_not_there_is_said(folder):
    app = typer.Typer()
    app.command()(make_replay(lambda *_: ReplayModels(SETTINGS, Loudness(), Counting(), tone)))
    result = CliRunner().invoke(app, [str(folder), "--models", "--agent"])
    assert result.exit_code == 2
    assert "no agent" in result.output
