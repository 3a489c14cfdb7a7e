"""A model of one's own in a server: chosen by its card, proven before use, refused by name."""

import json
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from pipelines.adapters import kinds
from pipelines.errors import ConfigError, ModelError
from pipelines.events import TranscriptReady
from pipelines.models import exported, self_test
from pipelines.models.added import add
from pipelines.replay.answers import ModelAnswers
from pipelines.replay.virtual import run as replay
from server.cli_models import models
from server.config import Config, load
from server.doctor import check
from server.engines import load_stt
from tests.helpers.exported import tiny, toy, where_from
from tests.helpers.hearing import CLIPS, utterance, weights
from tests.helpers.replay import Loudness, Scripted, caller, tone
from training.common.export import export

CALL = '[[agents]]\nname = "a"\nlanguages = ["en"]\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a configuration and an empty store."""
    (tmp_path / "allo.toml").write_text(f'[models]\ndir = "store"\n{CALL}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(models, [*map(str, arguments), "--config", "allo.toml"])


def serving(folder: Path, settings: str) -> Config:
    path = folder / "serving.toml"
    path.write_text(f'[models]\ndir = "store"\n[models.stt]\n{settings}\n{CALL}')
    return load(path)


@pytest.fixture(params=["ctc", "wav2vec2"])
def kind(request):
    pytest.importorskip("torch")
    return request.param


# ---- the commands


def test_add_list_show_remove(here):
    added = run("add", toy(here / "mine"))
    assert added.exit_code == 0, added.output
    assert '[models.stt] model = "mine"' in added.stdout
    for words in ("your own training", "clinic/train.jsonl", "1.25", "CC-BY-4.0", "test.wer", "4.25"):
        assert words in added.stdout, words

    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    mine = rows["mine"]
    assert (mine["state"], mine["added"], mine["licence"], mine["kind"]) == ("ready", True, "CC-BY-4.0", "ctc")
    assert rows["whisper-base"]["added"] is False
    table = run("list").stdout
    assert "from your own training" in table
    assert "stt (ctc)" in table

    shown = run("show", "mine").stdout
    assert "clinic/train.jsonl" in shown
    assert "net.layers" in shown
    told = json.loads(run("show", "mine", "--json").stdout)
    assert told["provenance"]["data"][0]["hours"] == 1.25
    assert {file["name"] for file in told["files"]} == {"weights.bin", "card.json", "self_test.npz"}
    assert json.loads(run("show", "whisper-base", "--json").stdout)["provenance"] is None
    assert "MIT" in run("show", "whisper-base").stdout

    assert run("remove", "mine").exit_code == 0
    assert "your own training" not in run("list").stdout


def test_add_for_machines(here):
    told = json.loads(run("add", toy(here / "mine"), "--json").stdout)
    assert told == {"name": "mine", "kind": "ctc", "folder": "store/mine"}


def test_a_configuration_may_name_a_model_that_is_being_added(here):
    (here / "allo.toml").write_text(f'[models]\ndir = "store"\n[models.stt]\nmodel = "mine"\n{CALL}')
    assert run("add", toy(here / "mine")).exit_code == 0
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["mine"]["used"] is True


def test_a_broken_one_is_listed_as_that(here):
    run("add", toy(here / "mine"))
    (here / "store" / "mine" / "model.toml").write_text("[[models")
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["mine"]["state"] == "broken"
    assert "model.toml" in run("list").stderr


def test_words_of_a_card_are_no_markup(here):
    run("add", toy(here / "mine", licence="[bold]mine[/]", note="[red]x"))
    assert "[bold]mine[/]" in run("list").stdout
    assert "[red]x" in run("show", "mine").stdout


# ---- serving


def test_the_card_chooses_the_adapter(here, kind):
    run("add", tiny(here, kind))
    config = serving(here, 'model = "tiny"')
    model = load_stt(config.store(), config.models.stt, "tiny")
    expected = self_test.load(here / "tiny" / self_test.FILE)
    assert type(model).__name__ == {"ctc": "Ctc", "wav2vec2": "Wav2Vec2"}[kind]
    assert model.transcribe(expected.audio, languages=["en"], final=True).text == expected.text
    assert run("verify", "tiny").exit_code == 0


def test_a_recorded_call_is_replayed_with_it_and_hears_what_it_hears_offline(here, kind):
    run("add", tiny(here, kind))
    config = serving(here, 'model = "tiny"')
    served, finals = load_stt(config.store(), config.models.stt, "tiny"), []

    class Overheard:
        def transcribe(self, audio, *, languages, final, hot_words=""):
            heard = served.transcribe(audio, languages=languages, final=final, hot_words=hot_words)
            if final:
                finals.append((audio.copy(), heard.text))
            return heard

    dump = replay(caller(12.0), ModelAnswers(Loudness(), Overheard(), Scripted(), ("en",), speak=tone))
    offline = kinds.load("stt", kind, here / "tiny", threads=1)
    assert finals
    for audio, text in finals:
        assert offline.transcribe(audio, languages=["en"], final=True).text == text
    said = {step.event.text for step in dump.steps if isinstance(step.event, TranscriptReady)}
    assert {text for _, text in finals} <= said


def test_a_whisper_of_ones_own_is_served(here):
    files = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    whisper = weights("whisper-base", *files)
    audio = utterance(CLIPS / "en_prompt.flac")
    folder = export(
        here / "ours",
        name="ours",
        port="stt",
        kind="faster-whisper",
        licence="MIT",
        note="",
        weights={name: whisper / name for name in files},
        provenance=where_from(("en", "fr")),
        self_test=self_test.record(kinds.load("stt", "faster-whisper", whisper, threads=2), audio, "en"),
    )
    assert run("add", folder).exit_code == 0
    config = serving(here, 'model = "ours"\nbeam = 1')
    served = load_stt(config.store(), config.models.stt, "ours")
    assert "logged" in served.transcribe(audio, languages=["en"], final=True).text


def test_a_model_that_hears_something_else_is_refused_by_name(here, kind):
    """Every hash is right: what was exported is not what was trained."""
    folder = tiny(here, kind)
    truth = self_test.load(folder / self_test.FILE)
    forged = msgspec.structs.replace(truth, log_probs=truth.log_probs + 0.5)
    self_test.save(forged, folder / self_test.FILE)
    card = exported.read_manifest(folder)
    files = tuple(exported.file_of(folder / file.name) for file in card.files)
    exported.write_manifest(msgspec.structs.replace(card, files=files), folder)
    assert run("add", folder).exit_code == 0
    config = serving(here, 'model = "tiny"')
    with pytest.raises(ModelError, match=r"tiny fails its self-test: its log-probabilities differ by up to 0\.5"):
        load_stt(config.store(), config.models.stt, "tiny")
    refused = run("verify", "tiny")
    assert refused.exit_code == 1
    assert "tiny fails its self-test" in refused.stderr


def test_a_model_that_was_tampered_with_is_refused_by_name(here, kind):
    run("add", tiny(here, kind))
    config = serving(here, 'model = "tiny"')
    path = here / "store" / "tiny" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"tiny: .*model\.safetensors has sha256"):
        load_stt(config.store(), config.models.stt, "tiny")
    assert any("model.safetensors has sha256" in finding.what for finding in check(config) if finding.level == "error")


def test_a_kind_that_contradicts_the_card_names_both(here):
    run("add", toy(here / "mine"))
    with pytest.raises(ConfigError, match=r'models\.stt\.model: mine is run by kind = "ctc", not "faster-whisper"'):
        serving(here, 'model = "mine"\nkind = "faster-whisper"')
    assert serving(here, 'model = "mine"\nkind = "ctc"').model_names()[1] == "mine"
    assert serving(here, 'model = "whisper-base"\nfallback = "mine"').models.stt.kind is None


def test_a_kind_that_nothing_runs_is_an_error(here):
    run("add", toy(here / "mine", kind="kaldi"))
    with pytest.raises(ConfigError, match=r"nothing here runs mine, of kind kaldi\. Known kinds: faster-whisper, ctc"):
        serving(here, 'model = "mine"')


def test_without_torch_the_extra_is_named(here, monkeypatch):
    add(serving(here, 'model = "whisper-base"').store(), toy(here / "mine", kind="wav2vec2"))
    config = serving(here, 'model = "mine"')
    for name in ("torch", "pipelines.adapters.stt.wav2vec2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not there: importing it raises ModuleNotFoundError
    with pytest.raises(ModelError, match=r"mine .*wav2vec2, which needs torch.*pip install 'allo\[train\]'"):
        load_stt(config.store(), config.models.stt, "mine")


def test_doctor_says_what_a_model_of_ones_own_needs(here, monkeypatch):
    add(serving(here, 'model = "whisper-base"').store(), toy(here / "mine", kind="wav2vec2"))
    monkeypatch.setattr("server.doctor.NEEDS", {"wav2vec2": ("torch_that_is_not_here",)})
    findings = check(serving(here, 'model = "mine"'))
    [needs] = [finding for finding in findings if "torch_that_is_not_here" in finding.what]
    assert (needs.level, needs.what[:4]) == ("error", "mine")
    assert "pip install 'allo[train]'" in needs.mend
    assert not any("torch_that" in finding.what for finding in check(serving(here, 'model = "whisper-base"')))
