"""A few real steps of the smallest real checkpoint on real recordings."""

import json
import shutil

import pytest
import torch

from pipelines.adapters.stt.faster_whisper import FasterWhisper
from tests.helpers.hearing import CLIPS, telephone
from training.common import manifests
from training.common import recipe as recipes
from training.common.errors import DataError, RecipeError
from training.whisper import checkpoint, train
from training.whisper.convert import convert
from training.whisper.examples import Examples, Labels, collate
from training.whisper.parts import choose_part, learns, merged
from training.whisper.settings import Channel, Context, Lora, Recipe, Train
from training.whisper.short import take_any_context
from training.whisper.split import split

SHORT = {"margin_s": (0.5, 1.5), "watched_s": 1.0}
QUICK = {"steps": 2, "batch": 2, "save_every": 2, "warmup": 1, "learning_rate": 1e-4}


def recipe(**more):
    data = {"manifests": ["clips.jsonl"], "held_aside": ["digit_8"], "watched": 1}
    return Recipe.model_validate({"model": "whisper-tiny.en", "data": data, "context": SHORT, "train": QUICK, **more})


def test_steps_change_the_encoder_alone_and_what_comes_out_is_served(tmp_path, data, tiny):
    best = train.run(
        recipe(train={**QUICK, "part": "encoder", "teacher": 1.0}), [data], tmp_path / "out", say=lambda _: None
    )
    before, after = tiny.model.state_dict(), checkpoint.load(str(best)).model.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("model.encoder.") and "embed_positions" not in name for name in changed)

    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert [entry["step"] for entry in history if "eval_wer" in entry] == [0, 2]
    served = FasterWhisper(convert(checkpoint.load(str(best)), tmp_path / "served", "int8"), threads=1)
    heard = served.transcribe(telephone(CLIPS / "en_prompt.flac"), languages=["en"], final=True)
    assert heard.text == "Agent logged in."


def test_a_training_that_was_killed_goes_on_as_if_nothing_had_been(tmp_path, data, folder):
    wanted = recipe(train={**QUICK, "steps": 3, "save_every": 1, "part": "encoder"}, channel={"drawn": 1.0})
    out = tmp_path / "out"
    whole = checkpoint.load(str(train.run(wanted, [data], out, say=lambda _: None))).model.state_dict()
    last = out / "checkpoints" / "checkpoint-3"
    shutil.rmtree(last)
    resumed = train.run(wanted, [data], out, resume=True, say=lambda _: None)
    assert last.is_dir()
    again = checkpoint.load(str(resumed)).model.state_dict()
    assert all(torch.allclose(whole[name], again[name], atol=1e-6) for name in whole)


def test_nobody_who_is_measured_is_trained_on(data):
    parts = split(recipe(), [data])
    assert [clip.speaker for clip in parts.aside] == ["digit_8"]
    names = [clip.speaker for clip in (*parts.train, *parts.watched)]
    assert sorted(names) == ["digit_1", "digit_7", "en_prompt"]
    assert len(parts.watched) == 1


def test_a_manifest_that_is_nowhere_is_named(tmp_path, data):
    wanted = recipe(data={"manifests": ["other.jsonl"], "held_aside": ["digit_8"]})
    with pytest.raises(DataError, match=r"other\.jsonl is in none of"):
        split(wanted, [tmp_path, data])


def test_too_few_clips_say_what_to_lower(data):
    with pytest.raises(DataError, match="less than one batch"):
        split(recipe(train={**QUICK, "batch": 8}), [data])


def test_the_teacher_pulls_back_to_what_the_unchanged_model_says(tiny):
    from training.whisper.teacher import divergence

    labels = torch.tensor([[1, 2, -100]])
    said, taught = torch.randn(2, 1, 3, 5)
    assert divergence(taught, taught, labels).item() == pytest.approx(0.0, abs=1e-6)
    assert divergence(said, taught, labels).item() > 0
    elsewhere = said.clone()
    elsewhere[0, 2] += 10 * torch.arange(5)  # only where no label is
    assert torch.equal(divergence(said, taught, labels), divergence(elsewhere, taught, labels))


@pytest.mark.parametrize("part", ["encoder", "cross_attention", "decoder", "all"])
def test_the_positions_of_the_encoder_never_learn(tiny, part):
    choose_part(tiny.model, Train(part=part))
    learning = {name for name, parameter in tiny.model.named_parameters() if parameter.requires_grad}
    assert learning
    assert "model.encoder.embed_positions.weight" not in learning
    assert any(name.startswith("model.encoder.") for name in learning) == (part != "decoder")
    assert any(name.startswith("model.decoder.") for name in learning) == (part != "encoder")


def test_low_rank_matrices_learn_and_are_merged(tiny):
    before = {name: values.clone() for name, values in tiny.model.state_dict().items()}
    model = choose_part(tiny.model, Train(part="decoder", lora=Lora(rank=2, modules=["q_proj", "v_proj"])))
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name and ".decoder." in name for name in learning)
    with torch.no_grad():
        for parameter in learning.values():
            parameter.add_(0.01)
    after = merged(model).state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        name for name in before if learns(name, "decoder") and name.endswith(("q_proj.weight", "v_proj.weight"))
    }


def test_low_rank_training_changes_nothing_else_and_its_merged_model_says_the_same(tmp_path, data, tiny):
    from peft import PeftModel
    from safetensors.torch import load_file

    steps = {**QUICK, "steps": 8, "save_every": 8, "learning_rate": 2e-3, "part": "cross_attention"}
    wanted = recipe(train={**steps, "lora": {"rank": 4, "alpha": 8.0, "modules": ["q_proj", "v_proj", "fc1"]}})
    out = tmp_path / "out"
    best = checkpoint.load(str(train.run(wanted, [data], out, say=lambda _: None))).model
    adapters = out / "checkpoints" / "checkpoint-8"
    assert not list(adapters.glob("model*"))  # a checkpoint holds the small matrices alone
    learnt = {
        name.removeprefix("base_model.model."): values
        for name, values in load_file(adapters / "adapter_model.safetensors").items()
    }
    before, after = tiny.model.state_dict(), best.state_dict()
    targets = {
        name
        for name in before
        if learns(name, "cross_attention") and name.endswith(("q_proj.weight", "v_proj.weight", "fc1.weight"))
    }
    assert {f"{name.partition('.lora_')[0]}.weight" for name in learnt} == targets
    for name, values in before.items():
        if name in targets:
            module = name.removesuffix(".weight")
            change = 8.0 / 4 * learnt[f"{module}.lora_B.weight"] @ learnt[f"{module}.lora_A.weight"]
            assert change.abs().max() > 0
            torch.testing.assert_close(after[name], values + change)
        else:
            assert torch.equal(after[name], values), name

    batch = _batch(tiny, manifests.read_all([out / "train.jsonl"]))
    with torch.no_grad():
        first = take_any_context(tiny.model)(**batch).loss
        merged_out = take_any_context(best.eval())(**batch)
        separate = PeftModel.from_pretrained(tiny.model, adapters).eval()(**batch)
    assert merged_out.loss < 0.8 * first
    torch.testing.assert_close(merged_out.logits, separate.logits, atol=1e-3, rtol=1e-3)


def _batch(start, clips):
    """All of `clips`, in 1 s more context than the longest of them."""
    make = Labels(start.tokenizer, multilingual=start.multilingual, task="transcribe")
    examples = Examples(clips, make, start.model.config.num_mel_bins, Channel())
    numbers = range(len(clips))
    batch = collate(examples, numbers, [examples.features(number) for number in numbers], 1.0)
    del batch["index"]
    return batch


@pytest.mark.parametrize("name", ["short_context", "medical_fr"])
def test_the_recipes_are_sound(name):
    from pathlib import Path

    loaded = recipes.load(Path(train.__file__).parent / "recipes" / f"{name}.toml", Recipe)
    assert loaded.context.margin_s[0] <= 1.0


def test_a_recipe_lists_what_is_wrong_with_it(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('[data]\nmanifests = ["a.jsonl"]\n[context]\nmargin_s = [5.0, 1.0]\n[train]\nstep = 3\n')
    with pytest.raises(RecipeError) as error:
        recipes.load(file, Recipe)
    assert "context" in str(error.value)
    assert "train.step" in str(error.value)


def test_a_margin_is_a_range():
    with pytest.raises(ValueError, match="smaller one first"):
        Context(margin_s=(3.0, 1.0))


def test_recordings_of_one_person_are_trained_on_and_watched_with_nobody_held_aside(data):
    one = recipe(data={"manifests": ["clips.jsonl"], "held_aside": [], "watched": 1}, train={**QUICK, "batch": 2})
    parts = split(one, [data], lambda _: None)
    assert (len(parts.train), len(parts.watched), parts.aside) == (3, 1, [])
