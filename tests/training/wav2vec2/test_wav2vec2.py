"""Fine-tuning on the real networks made small, with random weights (no pretrained ones can be had by a test): the same code
from manifest to served call, on real clips."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.errors import ModelError
from pipelines.models import exported, self_test
from pipelines.models.added import add
from pipelines.models.store import Store
from pipelines.nets.alphabet import FRENCH, UnknownCharacter
from server.engines import load_stt
from server.model_config import SttSettings
from tests.helpers.checkpoints import base
from training.common.errors import DataError
from training.common.recipe import load as load_recipe
from training.wav2vec2.settings import Recipe

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from training.wav2vec2 import vocabulary  # noqa: E402
from training.wav2vec2.data import IGNORED, Batches, collate, heard, split  # noqa: E402
from training.wav2vec2.train import train  # noqa: E402

DATA = Path(__file__).parents[2] / "data"
ROOM = Path(vocabulary.__file__).parent


def recipe(start: Path, **changed) -> Recipe:
    table = {
        "name": "tiny",
        "licence": "CC-BY-SA-4.0",
        "base": str(start),
        "languages": ["en"],
        "data": {
            "manifests": ["digits/manifest.jsonl"],
            "licences": {"digits/manifest.jsonl": "CC-BY-SA-4.0"},
            "validation": ["fsdd-theo"],
            "test": ["fsdd-jackson"],
            "batch": 4,
        },
        "net": {"mask_frames": 2, "freeze": "nothing", "dropout": 0.0, "mask_time": 0.0},
        "loop": {
            "steps": 6,
            "learning_rate": 2e-3,
            "evaluate_every": 3,
            "checkpoint_every": 3,
            "log_every": 1,
            "tensorboard": False,
        },
        "watch": "loss",
    }
    for key, value in changed.items():
        table[key] = table.get(key, {}) | value if isinstance(value, dict) else value
    return Recipe.model_validate(table)


# ---- from a manifest to a served model


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
def test_a_checkpoint_is_tuned_exported_and_served(tmp_path, family):
    said = []
    start = base(tmp_path / "base", family)
    folder = train(recipe(start), DATA, tmp_path / "run", say=said.append, quiet=True)
    assert folder == tmp_path / "run" / "tiny"
    assert any("test:" in line and "10 clips" in line for line in said), said

    told = exported.read_card(folder).provenance
    assert (told.base, told.languages) == (str(start), ("en",))
    assert [(data.role, data.clips, data.licence) for data in told.data] == [
        ("train", 10, "CC-BY-SA-4.0"),
        ("validation", 10, "CC-BY-SA-4.0"),
        ("test", 10, "CC-BY-SA-4.0"),
    ]
    assert set(told.figures["test"]) == {"clips", "wer", "wer_low", "wer_high", "cer"}
    assert told.recipe["loop"]["steps"] == 6

    add(Store(tmp_path / "store"), folder)
    store = Store(tmp_path / "store")
    served = load_stt(store, SttSettings(model="tiny", threads=1), "tiny")
    test = self_test.load(folder / self_test.FILE)
    assert np.allclose(served.log_probs(test.audio), test.log_probs, atol=1e-4)
    assert served.transcribe(test.audio, languages=["en"], final=True).text == test.text


def test_it_learns_clips_by_heart(tmp_path):
    """The loss that is watched is the one of what it trains on: the net can learn, and what is kept is the best."""
    one = recipe(
        base(tmp_path / "base"),
        data={"validation": ["fsdd-theo"], "test": 0.0, "batch": 5},
        channel={"plain": False, "drawn": 0.0},
        loop={"steps": 60, "evaluate_every": 20, "checkpoint_every": 0, "learning_rate": 5e-3},
    )
    train(one, DATA, tmp_path / "run", say=lambda _: None, quiet=True)
    curves = json.loads((tmp_path / "run" / "curves.json").read_text())
    losses = [loss for _, loss in curves["losses"]]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
    watched = [measures["loss"] for _, measures in curves["measures"]]
    assert curves["best"] == min(watched)


def test_a_run_that_was_killed_goes_on_to_the_same_weights(tmp_path):
    from safetensors.torch import load_file

    start = base(tmp_path / "base")
    whole = recipe(start, net={"mask_time": 0.2, "dropout": 0.1})  # what is random inside the network counts too

    class Killed(Exception):
        pass

    train(whole, DATA, tmp_path / "a", say=lambda _: None, quiet=True)
    from training.common import loop

    save, saved = loop.save, []

    def save_and_die(*arguments):
        save(*arguments)
        saved.append(1)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save", save_and_die)
        with pytest.raises(Killed):
            train(whole, DATA, tmp_path / "b", say=lambda _: None, quiet=True)
    assert saved == [1]
    train(whole, DATA, tmp_path / "b", say=lambda _: None, quiet=True)
    a, b = (load_file(tmp_path / run / "tiny" / "model.safetensors") for run in ("a", "b"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("part", "moved"),
    [("front", {"wav2vec2.encoder", "lm_head"}), ("body", {"lm_head"})],
)
def test_what_is_frozen_does_not_move(tmp_path, part, moved):
    from safetensors.torch import load_file

    start = base(tmp_path / "base")
    folder = train(
        recipe(start, net={"freeze": part}, loop={"steps": 2, "evaluate_every": 2}),
        DATA,
        tmp_path / "run",
        say=lambda _: None,
        quiet=True,
    )
    before, after = load_file(start / "model.safetensors"), load_file(folder / "model.safetensors")
    front = [name for name in before if "feature_extractor" in name]
    assert front
    assert all(torch.equal(before[name], after[name]) for name in front)
    changed = {
        name
        for name in before.keys() & after.keys()
        if before[name].shape != after[name].shape or not torch.equal(before[name], after[name])
    }
    for beginning in moved:
        assert any(name.startswith(beginning) for name in changed), beginning
    assert part == "front" or all(name.startswith("lm_head") for name in changed), changed


def test_a_tuned_checkpoint_is_tuned_on_with_its_own_letters(tmp_path):
    first = recipe(base(tmp_path / "base"), loop={"steps": 2})
    train(first, DATA, tmp_path / "run", say=lambda _: None, quiet=True)
    again = recipe(
        tmp_path / "run" / "checkpoint", net={"vocabulary": "base"}, loop={"steps": 1, "learning_rate": 1e-9}
    )
    folder = train(again, DATA, tmp_path / "again", say=lambda _: None, quiet=True)
    old, new = (json.loads((path / "vocab.json").read_text()) for path in (tmp_path / "run" / "tiny", folder))
    assert old == new
    from safetensors.torch import load_file

    heads = [
        load_file(path / "model.safetensors")["lm_head.weight"] for path in (tmp_path / "run" / "checkpoint", folder)
    ]
    assert torch.allclose(*heads, atol=1e-6)


# ---- letters


def test_the_vocabulary_is_that_of_the_texts_with_their_accents():
    found = vocabulary.letters(["L’œdème, ça gêne.", "Où ? À Noël !"])
    assert set(found) == set("lœdèmeçagênoùàë'")
    tokenizer = vocabulary.tokenizer(found)
    numbers = vocabulary.encode("À Noël, l’été", vocabulary.tokenizer(vocabulary.letters([FRENCH + "ë"])))
    assert len(numbers) == len("à noël l'été")
    spelled = vocabulary.encode("Ça gêne", tokenizer)
    assert tokenizer.decode(spelled) == "ça gêne"
    assert tokenizer.pad_token_id == 0


def test_a_letter_it_does_not_have_is_named():
    with pytest.raises(UnknownCharacter, match="'é'"):
        vocabulary.encode("été", vocabulary.tokenizer("et"))
    with pytest.raises(DataError, match="No text holds a letter"):
        vocabulary.letters(["...", ""])
    with pytest.raises(DataError, match="stands for the space"):
        vocabulary.tokenizer("ab|")


def test_two_letters_alike_are_told_apart_by_a_blank():
    from pipelines.adapters.stt.wav2vec2 import written

    tokenizer = vocabulary.tokenizer("el")
    e, one = vocabulary.encode("el", tokenizer)
    unknown = tokenizer.unk_token_id
    path = [e, e, one, 0, one, one, e, 2, unknown, e, 2, 2]
    log_probs = np.full((len(path), len(tokenizer)), -9.0, np.float32)
    log_probs[range(len(path)), path] = -0.1
    log_probs[path.index(unknown), 0] = -1.0  # <unk> is never written: the next best is
    assert written(log_probs, tokenizer) == "elle e"


def test_a_vocabulary_of_capitals_is_spelled_in_capitals():
    tokenizer = vocabulary.tokenizer("ABC'")
    assert tokenizer.decode(vocabulary.encode("a cab", tokenizer)) == "A CAB"


# ---- data


def spell(text: str) -> list[int]:
    return vocabulary.encode(text, vocabulary.tokenizer("abcdefghijklmnopqrstuvwxyz"))


def line(folder: Path, name: str, text: str, seconds: float = 1.0, speaker: str = "a") -> str:
    soundfile.write(folder / name, np.zeros(round(seconds * 8_000), np.int16), 8_000)
    return json.dumps({"audio": name, "text": text, "language": "en", "speaker": speaker})


def test_all_that_is_wrong_with_clips_is_said_at_once(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF, or so")
    lines = [
        line(tmp_path, "fine.wav", "one two"),
        line(tmp_path, "short.wav", "one two three four five", seconds=0.3),
        line(tmp_path, "accent.wav", "été"),
        line(tmp_path, "dots.wav", "... !"),
        json.dumps({"audio": "broken.wav", "text": "one", "duration": 1.0, "speaker": "a"}),
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    from training.common.manifests import read_all

    clips = read_all([tmp_path / "manifest.jsonl"])
    frames = lambda samples: samples // 320  # noqa: E731
    with pytest.raises(DataError) as refused:
        heard(clips, spell, frames, on_bad="stop")
    for words in (
        "short.wav: too short: 15 frames",
        "accent.wav: character 'é'",
        "dots.wav: the text",
        "broken.wav: cannot",
    ):
        assert words in str(refused.value), words
    said = []
    [fine] = heard(clips, spell, frames, on_bad="skip", say=said.append)
    assert (fine.clip.audio.name, len(said)) == ("fine.wav", 4)


def test_nobody_is_in_two_parts():
    start = Path("nowhere")
    parts = split(recipe(start, data={"validation": 0.3, "test": 0.3}).data, DATA)
    speakers = [{clip.speaker for clip in part} for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 3


def test_labels_are_filled_up_and_clips_too_short_for_a_mask_get_silence():
    from transformers import Wav2Vec2FeatureExtractor

    features = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    batch = collate([np.ones(500, np.float32), np.ones(700, np.float32)], [[1], [2, 3]], features, fewest=1_000)
    assert batch["input_values"].shape == (2, 1_000)
    assert batch["attention_mask"].sum(-1).tolist() == [500, 700]
    assert batch["labels"].tolist() == [[1, IGNORED], [2, 3]]


def test_the_same_epoch_and_place_give_the_same_batch(tmp_path):
    from transformers import Wav2Vec2FeatureExtractor

    settings = recipe(Path("nowhere"), channel={"drawn": 0.5}).channel
    clips = split(recipe(Path("nowhere")).data, DATA).train
    utterances = heard(clips, spell, lambda samples: samples // 320, on_bad="stop")
    one, other = (Batches(utterances, Wav2Vec2FeatureExtractor(), settings, 4, 0, 0) for _ in range(2))
    for place, batch in enumerate(one(3)):
        assert torch.equal(batch["input_values"], other(3)[place]["input_values"])
    assert len(one(3)) == 3
    orders = {tuple(int(batch["labels"][0, 0]) for batch in one(epoch)) for epoch in range(8)}
    assert len(orders) > 1


# ---- what is refused


def test_a_place_that_is_taken_is_said_before_training(tmp_path):
    (tmp_path / "run" / "tiny").mkdir(parents=True)
    with pytest.raises(ModelError, match="is there already"):
        train(recipe(tmp_path), DATA, tmp_path / "run", say=lambda _: None, quiet=True)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["tiny"]


def test_a_base_that_is_not_there_is_named(tmp_path):
    for name, words in (
        (str(tmp_path / "a" / "b" / "c"), "is no folder"),
        (str(tmp_path), "No network to fine-tune in"),
    ):
        with pytest.raises(ModelError, match=words):
            train(recipe(Path(name)), DATA, tmp_path / "run", say=lambda _: None, quiet=True)


def test_a_base_that_lacks_weights_is_not_filled_up_with_random_ones(tmp_path):
    from safetensors.torch import load_file, save_file

    start = base(tmp_path / "base")
    weights = load_file(start / "model.safetensors")
    gone = next(name for name in weights if "encoder.layers.1" in name)
    del weights[gone]
    save_file(weights, start / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=f"lacks 1 weights of its own network \\({gone}"):
        train(recipe(start), DATA, tmp_path / "run", say=lambda _: None, quiet=True)


def test_a_network_that_hears_no_waveforms_is_refused(tmp_path):
    from transformers import WhisperFeatureExtractor

    start = base(tmp_path / "base")
    WhisperFeatureExtractor().save_pretrained(start)
    with pytest.raises(ModelError, match="hears input_features"):
        train(recipe(start), DATA, tmp_path / "run", say=lambda _: None, quiet=True)


def test_the_recipe_that_comes_with_it_can_be_read():
    read = load_recipe(ROOM / "recipe.toml", Recipe, ["loop.steps=7"])
    assert (read.loop.steps, read.languages, read.net.freeze) == (7, ["fr"], "front")
