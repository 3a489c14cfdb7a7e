"""`allo analyse`: what it prints, what it writes, how it exits."""

import json
import shutil

import pytest
import structlog
import typer
from typer.testing import CliRunner

from pipelines.replay.dump import EVENTS, META
from server.cli_analyse import analyse
from server.observe.recorder import Recorder
from tests.golden.behaviours import BEHAVIOURS, FOLDER
from tests.helpers.agent import FakeEndpoint
from tests.helpers.replay import two_parties
from tests.helpers.two_voices import two_voices
from tests.server.analysis.test_findings import answered


def written(dump, root):
    """The folder of a call, as a server records it."""
    recorder = Recorder(root)
    recording = recorder.open(dump.meta)
    for step in dump.steps:
        recording.write(step.at, step.event, step.actions)
    folder = recording.close().result(10)
    recorder.close()
    return folder


@pytest.fixture
def folder(tmp_path):
    return written(two_parties(), tmp_path / "calls")


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command("analyse")(analyse)

    def invoke(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    yield invoke
    structlog.reset_defaults()  # the runner's standard error, which the command logs to, is closed by now


def test_for_people(invoke, folder):
    result = invoke(folder, "--without-model")
    assert result.exit_code == 0
    assert "the caller hung up" in result.stdout
    assert "Fitilly" in result.stdout


def test_as_json(invoke, folder):
    found = json.loads(invoke(folder, "--without-model", "--json").stdout)
    assert found["call_id"] == "CA0c1d"
    assert found["turns"][1]["emotion"] is None
    assert found["gaps"]["median"] == 1.88


def test_a_page(invoke, folder, tmp_path):
    assert invoke(folder, "--without-model", "--page", tmp_path / "call.html").exit_code == 0
    assert (tmp_path / "call.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_of_calls_is_a_line_each(invoke):
    result = invoke(FOLDER)
    assert len(result.stdout.splitlines()) == len(BEHAVIOURS)
    lines = [json.loads(line) for line in invoke(FOLDER, "--json").stdout.splitlines()]
    assert [line["call_id"] for line in lines] == sorted(BEHAVIOURS)


def test_a_broken_call_hides_no_other(invoke, tmp_path):
    for name in ("answer", "keys"):
        shutil.copytree(FOLDER / name, tmp_path / name)
    (tmp_path / "answer" / EVENTS).write_text("no line of a dump\n")
    result = invoke(tmp_path)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["keys"]
    assert "answer" in result.stderr


@pytest.mark.parametrize("broken", ["missing", "empty", "version"])
def test_what_cannot_be_read_is_said(invoke, folder, tmp_path, broken):
    if broken == "missing":
        folder = tmp_path / "nothing"
    elif broken == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
    else:
        (folder / META).write_text('{"format": 99}')
    result = invoke(folder, "--without-model")
    assert result.exit_code == 2
    assert str(folder) in result.stderr


def test_a_page_is_of_one_call(invoke, tmp_path):
    assert invoke(FOLDER, "--page", tmp_path / "x.html").exit_code == 2


def test_a_page_that_cannot_be_written(invoke, folder, tmp_path):
    result = invoke(folder, "--without-model", "--page", tmp_path / "nowhere" / "x.html")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


@pytest.fixture
def endpoint():
    """A service on loopback, in a thread of its own: the command runs its own event loop."""
    import asyncio
    import threading

    from tests.helpers.agent import serving

    fake = FakeEndpoint()
    ready, told = threading.Event(), {}

    async def serve():
        told["loop"], told["stop"] = asyncio.get_running_loop(), asyncio.Event()
        async with serving(fake) as url:
            told["url"] = url
            ready.set()
            await told["stop"].wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    fake.url = told["url"]
    yield fake
    told["loop"].call_soon_threadsafe(told["stop"].set)
    thread.join()


@pytest.fixture
def config(tmp_path, endpoint):
    path = tmp_path / "allo.toml"
    path.write_text(f"""
        [models.llm]
        kind = "openai"
        base_url = "{endpoint.url}"
        model = "big"
        [[agents]]
        name = "practice"
        [agents.extract.car]
        description = "which car it is about"
    """)
    return path


def test_summary_and_fields_by_the_configured_model(invoke, folder, config, endpoint):
    car = {"car": {"quote": "It is the convertible", "value": "convertible"}}
    endpoint.script = [answered({"summary": "Fitilly called about his car.", "fields": car})]
    found = json.loads(invoke(folder, "--config", config, "--json").stdout)
    assert found["findings"]["summary"] == "Fitilly called about his car."
    assert found["findings"]["fields"]["car"]["value"] == "convertible"
    assert found["findings"]["model"] == "big"


def test_a_model_that_fails_costs_the_summary_alone(invoke, folder, config, endpoint):
    endpoint.script = [[{"status": 500, "body": {}}]]
    result = invoke(folder, "--config", config, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["findings"] is None
    assert "InternalServerError" in found["findings_missing"]
    assert found["turns"]


def test_nobody_is_asked_about_silence(invoke, tmp_path, config, endpoint):
    shutil.copytree(FOLDER / "silence", tmp_path / "call")
    events = (tmp_path / "call" / EVENTS).read_text().splitlines(keepends=True)
    (tmp_path / "call" / EVENTS).write_text("".join(events[:1]))
    found = json.loads(invoke(tmp_path / "call", "--config", config, "--json").stdout)
    assert found["findings_missing"] == "nobody said anything"
    assert endpoint.requests == []


def test_a_model_of_feeling_that_is_not_there_is_left_out(invoke, folder, config, endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path / "empty"))
    config.write_text(config.read_text() + '[agents.emotion]\nanger = "Be kind."\n')
    config.write_text(config.read_text().replace('name = "practice"', 'name = "practice"\nsentiment = true'))
    endpoint.script = [answered({"summary": "He called about his car.", "fields": {"car": None}})]
    result = invoke(folder, "--config", config, "--json")
    assert result.exit_code == 0
    assert "left out: emotion-logistic" in result.stderr
    assert "left out: sentiment-linear" in result.stderr
    assert json.loads(result.stdout)["findings"]["summary"] == "He called about his car."


@pytest.mark.parametrize("language", ["en", "fr"])
def test_two_on_one_line_are_told_apart_when_it_is_asked_for(invoke, config, endpoint, tmp_path, language):
    folder = written(two_voices(language, follow=False), tmp_path / "two")
    speakers = {}
    for asked in ([], ["--speakers"]):
        endpoint.script = [answered({"summary": "Two people spoke."})]
        found = json.loads(invoke(folder, "--config", config, "--json", *asked).stdout)
        speakers[bool(asked)] = {turn["speaker"] for turn in found["turns"] if turn["party"] == "caller"}
    assert speakers == {False: {""}, True: {"caller", "other 1"}}


def test_a_model_of_voices_that_is_not_there_is_left_out(invoke, folder, config, endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path / "empty"))
    config.write_text(config.read_text().replace('name = "practice"', 'name = "practice"\nfollow_caller = true'))
    endpoint.script = [answered({"summary": "He called about his car.", "fields": {"car": None}})]
    result = invoke(folder, "--config", config, "--json")
    assert result.exit_code == 0
    assert "left out: resemblyzer" in result.stderr
    assert json.loads(result.stdout)["speakers"] == []
