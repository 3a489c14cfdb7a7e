"""Real models on real recordings: what is counted, against what, and what is refused."""

import json

import msgspec
import pytest
from typer.testing import CliRunner

from pipelines.errors import ModelError
from training.cli import app
from training.common import manifests
from training.common.errors import DataError
from training.whisper.convert import convert, named
from training.whisper.terms_table import TAUGHT, TERMS, WORDS, terms_table


@pytest.fixture
def dictations(clips):
    """The recording of "Agent logged in." and of three digits, with terms in two references: "logging" is not what is heard."""
    said = {"en_prompt": "Agent logged in, defibrillator.", "digit_7": "Seven digoxin."}
    return [msgspec.structs.replace(clip, text=said.get(clip.speaker, clip.text)) for clip in clips]


@pytest.fixture
def deaf(tmp_path, tiny):
    """The same model, whose decoder hears nothing of the encoder."""
    import torch

    with torch.no_grad():
        for layer in tiny.model.model.decoder.layers:
            layer.encoder_attn.out_proj.weight.zero_()
    return convert(tiny, tmp_path / "deaf", "int8")


def by(rows):
    return {(row.of, row.beam, row.model): row for row in rows}


def test_every_model_hears_the_same_and_the_first_is_the_measure(folder, deaf, clips, dictations):
    taught = [msgspec.structs.replace(clips[0], audio=folder / "other.flac", text="The digoxin.")]
    heard = []
    rows = terms_table(
        {"tiny": folder, "deaf": deaf},
        dictations,
        taught=taught,
        also={"digits": clips[1:]},
        beams=(1, 2),
        threads=1,
        tick=lambda: heard.append(1),
    )
    assert len(heard) == 2 * (4 + 3)
    assert [(row.of, row.beam, row.model) for row in rows] == [
        (of, beam, model) for of in (WORDS, TERMS, TAUGHT, "digits") for beam in (1, 2) for model in ("tiny", "deaf")
    ]
    table = by(rows)
    terms, taught_terms = table[TERMS, 1, "tiny"], table[TAUGHT, 1, "tiny"]
    assert (terms.errors, terms.total, terms.rate, terms.bounds) == (2, 2, 1.0, (1.0, 1.0))
    assert (taught_terms.errors, taught_terms.total) == (1, 1)
    words, worse = table[WORDS, 1, "tiny"], table[WORDS, 1, "deaf"]
    assert words.against is None
    assert (words.errors, words.total, words.clips) == (2, 8, 4)  # the two terms that nobody says
    assert worse.against.rate == pytest.approx(worse.rate - words.rate)
    assert worse.against.gain == pytest.approx(1 - worse.rate / words.rate)
    assert worse.against.gain < 0
    low, high = worse.against.bounds
    assert low <= worse.against.rate <= high
    assert table["digits", 1, "tiny"].errors == 0
    assert table["digits", 1, "deaf"].against.gain is None  # the first made no error: no share of them can be gone


def test_the_same_model_twice_differs_by_nothing(folder, dictations):
    rows = terms_table({"one": folder, "other": folder}, dictations, beams=(1,), threads=1)
    other = by(rows)[WORDS, 1, "other"].against
    assert (other.rate, other.bounds, other.gain) == (0, (0, 0), 0)
    assert {row.of for row in rows} == {WORDS, TERMS}


def test_what_cannot_be_measured_is_said(folder, clips, dictations):
    models = {"tiny": folder}
    with pytest.raises(DataError, match="hold no term"):
        terms_table(models, clips)
    with pytest.raises(DataError, match="No term of the dictations was taught"):
        terms_table(models, dictations, taught=clips)
    with pytest.raises(DataError, match=r"4 clips of the dictations were trained on, as .*en_prompt\.flac"):
        terms_table(models, dictations, taught=dictations)
    with pytest.raises(DataError, match='cannot be called "terms"'):
        terms_table(models, dictations, also={"terms": clips})


def test_two_models_of_one_name_are_refused(folder, tmp_path):
    assert named([f"a={folder}", f"b={folder}"], tmp_path) == {"a": folder, "b": folder}
    with pytest.raises(ModelError, match='Two models are called "a"'):
        named([f"a={folder}", f"a={folder}"], tmp_path)


def test_the_command_prints_a_table_or_json(folder, data, dictations):
    manifests.write(data / "dictations.jsonl", dictations)
    command = ["terms-table", f"before={folder}", f"after={folder}", "--manifest", str(data / "dictations.jsonl")]
    command += ["--also", str(data / "clips.jsonl"), "--most", "2", "--beam", "1", "--threads", "1"]
    printed = CliRunner().invoke(app, command)
    assert printed.exit_code == 0, printed.output
    assert "against before" in printed.stdout
    assert "+0.0 (+0.0 to +0.0)" in printed.stdout
    rows = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [(row["of"], row["model"], row["clips"]) for row in rows] == [
        (of, model, 2) for of in ("all words", "terms", "clips") for model in ("before", "after")
    ]
