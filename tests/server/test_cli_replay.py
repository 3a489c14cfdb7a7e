"""`allo replay`: what it prints, what it writes, how it exits."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import soundfile
import typer
from typer.testing import CliRunner

import server.caller
from pipelines.actions import Remember, StartReply
from pipelines.errors import ModelError
from pipelines.events import ReplyDelta
from pipelines.replay.dump import EVENTS, Dump
from pipelines.replay.virtual import run
from server.cli_replay import ReplayModels, make_replay
from server.observe.recorder import Recorder
from server.replay_models import LiveAgent
from tests.helpers.agent import QWEN
from tests.helpers.hearing import weights
from tests.helpers.replay import SETTINGS, TWO_PARTIES, Counting, Loudness, answers, caller, tone


class Words:
    """An asynchronous agent, which thinks of what was heard once it has time."""

    def __init__(self):
        self.remembered = []
        self.attempts = []

    async def reply(self, reply, text, language, *, attempt=0, speculative=False):
        self.attempts.append(attempt)
        yield ReplyDelta(reply, "Certainly. ")
        yield ReplyDelta(reply, "Goodbye now.")

    def commit(self, reply):
        """It holds nothing back."""

    def forget(self, reply):
        """It has no memory of drafts."""

    async def held(self, reply):
        await asyncio.Event().wait()

    def remember(self, reply, text):
        self._thinking = asyncio.create_task(self._remember(reply, text))

    async def _remember(self, reply, text):
        await asyncio.sleep(0)
        self.remembered.append((reply, text))

    async def settled(self):
        await self._thinking


@pytest.fixture
def agent():
    return Words()


@pytest.fixture
def invoke(agent):
    asked = []

    @contextmanager
    def open_models(config, meta, with_agent, progress):
        asked.append((config, meta.agent, with_agent))
        progress("ears")
        with asyncio.Runner() as runner:
            live = LiveAgent(agent, runner) if with_agent else None
            yield ReplayModels(SETTINGS, Loudness(), Counting(), tone, live, "practice")
        asked.append("closed")

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


def test_a_path_that_is_not_there_is_said_to_be_nothing(invoke, tmp_path):
    assert invoke(tmp_path / "nowhere").exit_code == 2
    assert "nowhere: there is nothing" in invoke(tmp_path / "nowhere").stderr.replace("\n", "")


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
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert told["recorded"] == msgspec.to_builtins(call.turns())
    assert [turn["text"] for turn in told["now"]] == [turn["text"] for turn in told["recorded"]]
    assert invoke.asked == [(None, "practice", False), "closed"]
    assert result.stderr.splitlines() == ["loading ears", f"replaying {call.duration_us / 1e6:.1f} s"]
    table = invoke(folder, "--models").output
    assert "recorded" in table
    assert "I spoke for" in table


def test_the_real_agent_answers_when_asked_to(invoke, folder, agent):
    told = json.loads(invoke(folder, "--models", "--agent", "--fixed", "--json").stdout)
    assert "Certainly. Goodbye now." in [turn["text"] for turn in told["now"]]
    assert agent.remembered


def test_a_sound_file_is_a_caller(invoke, tmp_path):
    path = tmp_path / "caller.wav"
    soundfile.write(path, soundfile.read(TWO_PARTIES)[0], 8_000, subtype="ULAW")
    assert invoke(path, "--models").exit_code == 2  # which channel?
    result = invoke(path, "--models", "--channel", 1, "--after", 4, "--fixed", "--json")
    told = json.loads(result.stdout)
    assert told["recorded"] == []
    assert told["call_id"] == "caller.wav"
    assert {turn["party"] for turn in told["now"]} == {"caller", "agent"}
    assert "Certainly. Goodbye now." in [turn["text"] for turn in told["now"]]


def test_a_sound_file_has_one_column(invoke, tmp_path):
    path = tmp_path / "caller.raw"
    sound = soundfile.read(TWO_PARTIES, dtype="int16")[0][:, 1]
    path.write_bytes(sound.astype("<i2").tobytes())
    said = ("--format", "s16le", "--rate", 8_000, "--fixed")
    outputs = ("--listen", tmp_path / "a.wav", "--picture", tmp_path / "a.png")
    result = invoke(path, "--models", *said, *outputs)
    assert result.exit_code == 0
    assert "said" in result.output
    assert "recorded" not in result.output
    assert soundfile.info(tmp_path / "a.wav").channels == 2
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize("option", [("--agent",), ("--fixed",)])
def test_what_only_models_take_is_refused_without_them(invoke, folder, option):
    assert invoke(folder, *option).exit_code == 2


def test_models_take_one_call_at_a_time(invoke, root):
    result = invoke(root, "--models")
    assert result.exit_code == 2
    assert "one call" in result.stderr


def test_models_that_cannot_be_loaded_are_one_line(folder):
    @contextmanager
    def open_models(*_):
        raise ModelError("qwen: model.gguf is missing. `allo models pull qwen` fetches it.")
        yield

    app = typer.Typer()
    app.command()(make_replay(open_models))
    result = CliRunner().invoke(app, [str(folder), "--models", "--agent"])
    assert result.exit_code == 2
    assert result.output.splitlines() == ["qwen: model.gguf is missing. `allo models pull qwen` fetches it."]


def test_with_fixed_times_a_run_with_a_live_agent_repeats(invoke, folder):
    one, two = (invoke(folder, "--models", "--agent", "--fixed", "--json").stdout for _ in range(2))
    assert [turn for turn in json.loads(one)["now"] if turn["gap"] is not None]
    assert one == two


def test_what_an_agent_thinks_in_the_background_is_waited_for(agent):
    with asyncio.Runner() as runner:
        LiveAgent(agent, runner).remember(Remember(3, "Certainly."))
        assert agent.remembered == [(3, "Certainly.")]


def test_a_reply_that_is_closed_stops_its_agent():
    stopped = []

    class Endless(Words):
        async def reply(self, reply, text, language, *, attempt=0, speculative=False):
            try:
                while True:
                    yield ReplyDelta(reply, f"{attempt} ")
            finally:
                stopped.append(reply)

    with asyncio.Runner() as runner:
        events = LiveAgent(Endless(), runner).reply(StartReply(3, "hello", "en", attempt=1))
        (first, event), (second, _) = next(events), next(events)
        events.close()
    assert event == ReplyDelta(3, "1 ")
    assert 0 <= first <= second
    assert stopped == [3]


# ---- with real weights


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """A user whose own data must stay as it is."""
    weights("silero-vad", "silero_vad.onnx")
    weights("whisper-base", "model.bin")
    weights("piper-en_US-joe-medium", "en_US-joe-medium.onnx")
    if not QWEN.exists():
        pytest.skip(f"no weights at {QWEN}: fetch them with `allo models pull {QWEN.parent.name}`")
    monkeypatch.setenv("ALLO_DATA", str(tmp_path / "data"))
    (tmp_path / "allo.toml").write_text(CONFIG)
    return tmp_path


CONFIG = """
[[agents]]
name = "front-desk"
languages = ["en"]
instructions = "You are the receptionist of a medical practice. Use the tools."
tools = ["clinic"]
"""


_PATIENCE_S = 300
"""What must happen is waited for; this only ends a test in which it never does, on a machine that is busy with other things."""


def replay_command(*arguments):
    command = [sys.executable, "-m", "server", "replay", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_sound_file_is_heard_and_answered_by_real_models(environment):
    clip = Path(server.caller.__file__).parent / "clips" / "en_hours.wav"
    options = ("--models", "--config", environment / "allo.toml", "--after", 5, "--json")
    process = replay_command(clip, *options, "--listen", environment / "a.wav")
    out, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, err
    greeting, question, answer = json.loads(out)["now"]
    assert "opening hours" in question["text"]
    assert greeting["party"] == answer["party"] == "agent"
    assert "Monday" in answer["text"]  # the tool's words
    assert 0 < answer["gap"] < 20
    assert soundfile.info(environment / "a.wav").duration > 8
    assert not (environment / "data").exists()


def test_ctrl_c_ends_the_language_model_too(environment):
    with (environment / "allo.toml").open("a") as config:
        config.write("silence_prompt_s = 580\nsilence_hangup_s = 590\n")
    clip = Path(server.caller.__file__).parent / "clips" / "en_hours.wav"
    # Nearly ten minutes of a silent caller come first: the command cannot be done by itself before it is told to stop.
    # What a shell starts with `&` ignores SIGINT, and its children inherit that.
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = replay_command(clip, "--models", "--after", 570, "--config", environment / "allo.toml")
    finally:
        signal.signal(signal.SIGINT, ours)
    said = []
    for line in process.stderr:
        said.append(line)
        if "prompt of" in line:  # the language model is up
            break
    else:
        pytest.fail("".join(said))
    (engine,) = children(process.pid)
    ended = os.pidfd_open(engine)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    assert select.select([ended], [], [], _PATIENCE_S)[0]
    os.close(ended)


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
