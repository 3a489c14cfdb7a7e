import json

import pytest

from pipelines.adapters.stt.faster_whisper import FasterWhisper
from pipelines.errors import ModelError
from pipelines.models import exported
from tests.helpers.hearing import CLIPS, telephone
from training.common import export as exports
from training.common.measures import normalize
from training.whisper import convert
from training.whisper.evaluate import Transcriber, context_table, grouped


def test_conversions_say_what_the_checkpoint_says(tiny, clips):
    rows = convert.parity(tiny, clips, ("int8", "float32"), threads=1)
    assert [row.precision for row in rows] == ["int8", "float32"]
    assert rows[1].same == len(clips)
    assert rows[1].changed == 0
    assert rows[0].changed == 0  # int8 may write a word otherwise ("1" and "one")
    assert rows[0].megabytes < rows[1].megabytes / 3


def test_a_conversion_is_all_that_the_server_wants(tmp_path, folder, tiny):
    made = convert.convert(tiny, tmp_path / "made", "float16")
    assert sorted(path.name for path in made.iterdir()) == sorted(convert.FILES)
    assert (made / "vocabulary.txt").read_text().split() == (folder / "vocabulary.txt").read_text().split()
    assert json.loads((made / "config.json").read_text()) == json.loads((folder / "config.json").read_text())
    heard = FasterWhisper(made, threads=1).transcribe(telephone(CLIPS / "en_prompt.flac"), languages=["en"], final=True)
    assert heard.text == "Agent logged in."


def test_an_exported_model_says_how_much_context_it_needs(tmp_path, tiny, clips, monkeypatch):
    card = exports.provenance(data=[], seed=0, recipe={}, figures={}, languages=["en"], base="whisper-tiny.en")
    made = convert.export(
        tiny,
        tmp_path / "tiny",
        clips[0],
        name="tiny",
        licence="MIT",
        note="",
        provenance=card,
        precision="int8",
        margin_s=6.0,
    )
    exported.check(made)
    model = FasterWhisper(made, threads=1)
    frames = []
    encode = model._whisper.encode
    monkeypatch.setattr(
        model._whisper, "encode", lambda features, n: frames.append(n - features.shape[1]) or encode(features, n)
    )
    model.transcribe(telephone(clips[0].audio), languages=["en"], final=False)
    assert frames == [600]


@pytest.mark.parametrize("wrong", ['{"margin_s": 0}', '{"margin_s": 31}', "{}", "nonsense"])
def test_a_context_that_cannot_be_is_named(tmp_path, folder, wrong):
    for file in folder.iterdir():
        if not file.name.startswith("."):
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "context.json").write_text(wrong)
    with pytest.raises(ModelError, match=r"context\.json"):
        FasterWhisper(tmp_path, threads=1)


def test_the_table_has_a_row_for_each_way_to_hear(folder, clips):
    rows = context_table({"tiny": folder}, grouped(clips), margins_s=(5.0, 30.0), beams=(1,), threads=1)
    assert {(row.group, row.margin_s, row.guarded) for row in rows} == {
        (group, margin, guarded) for group in ("hearing", "all") for margin in (5.0, 30.0) for guarded in (False, True)
    }
    full = next(row for row in rows if row.margin_s == 30.0 and not row.guarded and row.group == "all")
    assert full.clips == len(clips)
    assert full.loss == 0
    assert full.loss_bounds == (0, 0)
    short = next(row for row in rows if row.margin_s == 5.0 and not row.guarded and row.group == "all")
    assert short.encode_ms < full.encode_ms


def test_a_short_context_hears_the_words_of_the_full_one(folder, clips):
    transcriber = Transcriber(folder, threads=1)
    features = transcriber.features(clips[0].audio)
    bare, guarded = transcriber.hear_both(features, "en", margin_s=5.0, beams=(1,))[1]
    assert bare.text == guarded.text
    assert normalize(bare.text, "en") == "agent logged in"
    assert not bare.runs_away
    assert not guarded.again


def test_a_runaway_is_looked_at_again(folder):
    """Noise that tiny.en answers with a loop, or with nothing sure, in a context without any margin."""
    transcriber = Transcriber(folder, threads=1)
    features = transcriber.features(CLIPS / "kitchen.flac", plain_line=False)
    bare, guarded = transcriber.hear_both(features, "en", margin_s=0.1, beams=(1,))[1]
    assert guarded.again or not bare.runs_away


def test_groups_are_cut_evenly(clips):
    groups = grouped(clips, 2)
    assert [clip.speaker for clip in groups["hearing"]] == [clips[0].speaker, clips[2].speaker]
