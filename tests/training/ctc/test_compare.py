"""A small comparison, killed in the middle and gone on with: every cell once, and a report that is whole."""

import json
import re
from pathlib import Path

import pytest

from training.common.errors import RecipeError
from training.common.recipe import load
from training.ctc import compare as room
from training.ctc.comparison import Cell, Comparison, Fold
from training.ctc.pretrain import Pretraining
from training.ctc.recipe import CtcRecipe, to_toml
from training.ctc.report import converged

RECIPES = Path(room.__file__).parent / "recipes"


@pytest.fixture
def plan():
    return Comparison.model_validate(
        {
            "data": {"manifests": ["digits/manifest.jsonl"], "alphabet": "efghinorstuvwxz", "batch": 5},
            "unseen": ["fsdd-george", "fsdd-theo"],
            "inputs": ["mfcc", "raw"],
            "nets": ["mlp", "gru"],
            "seeds": 2,
            "steps": 3,
            "words": True,
            "net": {"width": 16, "layers": 1, "kernel": 3},
            "only": {"gru": {"width": 8}},
            "augment": {"variations": 2, "throat": 0.1},
        }
    )


@pytest.mark.timeout(300)
def test_a_comparison_goes_on_where_it_was_and_fills_every_row(data, plan, tmp_path):
    room.compare(plan, data, tmp_path, workers=2, quiet=True, say=lambda _: None)
    cells = sorted((tmp_path / "cells").iterdir())
    assert len(cells) == 2 * 2 * 2
    cut, *kept = cells
    was, times = cut.read_bytes(), {file: file.stat().st_mtime_ns for file in kept}
    cut.unlink()  # as if it had been killed before this one
    page = room.compare(plan, data, tmp_path, workers=1, quiet=True, say=lambda _: None)
    assert {file: file.stat().st_mtime_ns for file in kept} == times
    assert without_times(cut.read_bytes()) == without_times(was)  # the same in any worker
    report = (tmp_path / "report.md").read_text()
    for input_ in plan.inputs:
        for net in plan.nets:
            assert re.search(rf"^\| {input_} \| {net} \|( [^|]+ \|)+$", report, re.MULTILINE)
    assert "3 steps of 5 clips" in report
    for picture in re.findall(r"\((\w+\.png)\)", report):
        assert (tmp_path / picture).stat().st_size > 5_000
    html = page.read_text()
    assert html.count("data:image/png;base64,") == len(re.findall(r"\.png\)", report))
    best = load(tmp_path / "best.toml", CtcRecipe)
    assert (best.net.input, best.net.net) == room.chosen(room.cells(plan, tmp_path))
    assert best_turns(tmp_path) == {"fsdd-george", "fsdd-jackson", "fsdd-theo"}
    with pytest.raises(RecipeError, match="another recipe"):
        room.compare(plan.model_copy(update={"seeds": 1}), data, tmp_path, quiet=True, say=lambda _: None)


def best_turns(out):
    return {json.loads(file.read_text())["unseen"] for file in (out / "best").iterdir()}


def test_one_unseen_speaker_cannot_be_chosen_for_by_others(data, plan, tmp_path):
    with pytest.raises(RecipeError, match="two speakers or more"):
        room.compare(plan.model_copy(update={"unseen": ["fsdd-theo"]}), data, tmp_path / "a", say=lambda _: None)
    with pytest.raises(RecipeError, match="no clip is by nobody"):
        room.compare(
            plan.model_copy(update={"unseen": ["nobody", "fsdd-theo"]}), data, tmp_path / "b", say=lambda _: None
        )


def without_times(cell):
    value = json.loads(cell)
    for fold in value["folds"]:
        del fold["train_s"]
    return value


def fold(unseen, errors):
    return Fold(unseen, 1, 0.0, [], [], errors, [], [1] * len(errors), errors, [4] * len(errors), [], [])


def test_nobody_judges_in_his_own_case():
    """b is better over all, but for the speaker "anna" only what the others were wrong about counts."""
    a = Cell("mfcc", "a", 0, [fold("anna", [1, 1, 1, 1]), fold("ben", [0, 0, 0, 0]), fold("cleo", [0, 0, 0, 1])])
    b = Cell("mfcc", "b", 0, [fold("anna", [0, 0, 0, 0]), fold("ben", [0, 0, 1, 0]), fold("cleo", [0, 0, 0, 1])])
    assert room.chosen([a, b]) == ("mfcc", "b")
    assert room.chosen([a, b], without="anna") == ("mfcc", "a")


def test_when_a_curve_has_converged():
    curve = [(step, 10.0 * 0.5 ** (step / 10)) for step in range(10, 101, 10)]
    assert converged(curve) == 50
    assert converged([]) == 0


@pytest.mark.parametrize(
    "name",
    [
        "compare",
        "digits",
        "digits_heard",
        "digits_taught",
        "hearing",
        "telephone_en",
        "telephone_en_conformer",
        "telephone_en_heard",
    ],
)
def test_the_recipes_that_come_along_can_be_read(name):
    kind = {"compare": Comparison, "hearing": Pretraining}.get(name, CtcRecipe)
    assert load(RECIPES / f"{name}.toml", kind).data.manifests


def test_a_recipe_written_reads_back(recipe, tmp_path):
    made = recipe(augment={"noise_snr_db": (3.0, 9.0)}, note='quotes " and é')
    (tmp_path / "made.toml").write_text(to_toml(made), encoding="utf-8")
    assert load(tmp_path / "made.toml", CtcRecipe) == made
