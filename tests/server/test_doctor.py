"""`allo doctor`: what it finds on a machine that lacks something, and how it says so."""

import importlib.util
import io
import json
import shutil
import socket
import sys

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from server import doctor as rooms
from server import machine
from server.config import Config, load
from server.doctor import Finding, check, doctor, render


@pytest.fixture
def config(tmp_path) -> Config:
    """An echo line: needs no weights."""
    path = tmp_path / "allo.toml"
    path.write_text(f'[server]\nport = 0\n[models]\ndir = "{tmp_path}"\n[[agents]]\nname = "line"\nkind = "echo"')
    return load(path)


def found(findings: list[Finding], level: str) -> list[str]:
    return [finding.what for finding in findings if finding.level == level]


def run(*arguments: str):
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, list(arguments))


def test_a_sound_machine_has_nothing_to_mend(config, monkeypatch):
    monkeypatch.setattr(rooms, "cores_here", lambda: 4)
    findings = check(config)
    assert found(findings, "error") == found(findings, "warning") == []
    assert len(findings) >= 5


def test_missing_weights_are_an_error_that_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path / "nothing" / "here"))
    findings = check(load(None))
    missing = [finding for finding in findings if "silero_vad.onnx is missing" in finding.what]
    assert [(finding.level, "allo models pull silero-vad" in finding.mend) for finding in missing] == [("error", True)]
    assert len(found(findings, "error")) >= 5


def test_broken_weights_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path))
    (tmp_path / "silero-vad").mkdir()
    (tmp_path / "silero-vad" / "silero_vad.onnx").write_bytes(bytes(2_327_524))
    assert any("silero_vad.onnx has sha256" in what for what in found(check(load(None)), "error"))


def test_a_disk_too_small_for_the_models(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**9))
    assert any("models need 1.6 GB" in what for what in found(check(load(None)), "error"))


def test_missing_packages(monkeypatch, tmp_path):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path))
    find = importlib.util.find_spec
    gone = {"piper", "aiohttp"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in gone else find(name, *rest))
    assert "packages missing: aiohttp, piper" in found(check(load(None)), "error")


def test_a_package_without_its_data(monkeypatch, tmp_path):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path))
    (tmp_path / "piper").mkdir()
    (tmp_path / "piper" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.delitem(sys.modules, "piper", raising=False)  # another test may have loaded the real one
    monkeypatch.syspath_prepend(tmp_path)
    assert any("no espeak-ng-data" in what for what in found(check(load(None)), "error"))


def test_a_port_that_is_taken(config):
    with socket.create_server(("127.0.0.1", 0)) as other:
        config.server.port = other.getsockname()[1]
        assert any("cannot listen on 127.0.0.1:" in what for what in found(check(config), "error"))


def test_a_host_that_is_not_here(config):
    config.server.host = "192.0.2.1"  # RFC 5737: for documentation, nobody's
    assert any("cannot listen on 192.0.2.1:0" in what for what in found(check(config), "error"))


def test_dumps_that_cannot_be_written(config, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    config.recording.enabled = True
    assert "recording is enabled and has no place" in found(check(config), "warning")
    config.recording.dir = tmp_path / "file"
    assert any("cannot write call dumps" in what for what in found(check(config), "error"))
    config.recording.dir = tmp_path / "not" / "yet"
    config.recording.max_gigabytes = 0.0
    assert f"call dumps can be written to {tmp_path}/not/yet" in found(check(config), "ok")
    assert not (tmp_path / "not").exists()
    config.recording.max_gigabytes = 1e9
    assert any("up to 1e+09 GB allowed" in what for what in found(check(config), "warning"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[twilio]\nauth_token = "env:TOKEN"\naccount_sid = "AC1"', "no public_url is set"),
        ('[twilio]\nauth_token = "env:TOKEN"\n[server]\npublic_url = "https://a.example"', "no Twilio account_sid"),
        ('[twilio]\naccount_sid = "AC1"', "without a key to use it"),
        ('[server]\npublic_url = "https://a.example"', "only callers on loopback are taken"),
    ],
)
def test_carrier_settings_that_do_not_go_together(tmp_path, monkeypatch, text, words):
    monkeypatch.setenv("TOKEN", "hunter2")
    path = tmp_path / "allo.toml"
    path.write_text(text + '\n[[agents]]\nname = "line"\nkind = "echo"')
    findings = check(load(path))
    assert sum(words in what for what in found(findings, "warning")) == 1
    assert "hunter2" not in repr(findings)


def test_a_tool_whose_module_is_not_there(config):
    config.agents[0].tools = ["json:loads", "no.such:tool"]
    assert [what for what in found(check(config), "error") if "tool" in what] == [
        "agent line: no module no.such for the tool no.such:tool"
    ]


def test_too_little_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path))
    monkeypatch.setattr(rooms, "cores_here", lambda: 1.5)
    monkeypatch.setattr(rooms, "memory_here", lambda: 10**9)
    warnings = found(check(load(None)), "warning")
    assert any(what.startswith("1.5 cores, and models set to 2 threads") for what in warnings)
    assert any(what.startswith("1.0 GB of memory, about 2.") for what in warnings)


@pytest.mark.parametrize(
    ("limit", "cores", "memory"), [({}, 4, None), ({"cpu.max": "150000 100000", "memory.max": "1000"}, 1.5, 1_000)]
)
def test_a_containers_limits_count(monkeypatch, limit, cores, memory):
    unlimited = {"cpu.max": "max 100000", "memory.max": "max"}
    monkeypatch.setattr(machine, "_cgroup", lambda name: {**unlimited, **limit}[name])
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert machine.cores_here() == cores
    assert machine.memory_here() > 10**8 if memory is None else machine.memory_here() == memory


def test_the_command_fails_on_an_error_and_speaks_json(tmp_path):
    path = tmp_path / "allo.toml"
    path.write_text("[server]\nprot = 1")
    result = run("--config", str(path), "--json")
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)
    assert finding["level"] == "error"
    assert "Did you mean `port`?" in finding["what"]


def test_the_command_passes_without_errors(tmp_path):
    path = tmp_path / "allo.toml"
    path.write_text('[server]\nport = 0\n[[agents]]\nname = "line"\nkind = "echo"')
    result = run("--config", str(path))
    assert result.exit_code == 0
    assert "can listen on 127.0.0.1:0" in result.stdout


def test_brackets_of_a_message_are_shown():
    console = Console(record=True, width=80, file=io.StringIO())
    render([Finding("error", "agents[0].name: is missing", "Add [[agents]]")], console)
    shown = console.export_text()
    assert "agents[0].name" in shown
    assert "[[agents]]" in shown
