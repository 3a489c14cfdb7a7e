"""All inputs and all nets under one budget, each speaker unseen in turn; killed at any moment, it goes on where it was.

    out/variations/*.npz        the augmented clips, made once (a part for each worker)
    out/pace/INPUT-NET.json     how fast a cell is; from it, the steps that fit into the budget
    out/cells/INPUT-NET-SEED.json   the trainings of a cell, one for each unseen speaker
    out/best/SEED-SPEAKER.json  the best cell trained for longer
    out/report.md, report.html, *.png, best.toml

Workers are processes of one torch thread, so a cell's figures are the same with any number of them, once its steps are fixed.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.common.errors import RecipeError
from training.ctc.comparison import Cell, Comparison, Fold, Pace, timed, trained, write
from training.ctc.data import Utterance, Variations, clips_of
from training.ctc.recipe import to_toml
from training.ctc.train import prepare

Say = Callable[[str], None]

QUICK = ("seconds=0.4", "best_seconds=1.0", "seeds=1", "augment.variations=3")
"""Overrides that show in a few minutes that all of it works; the error rates mean nothing."""


class _Room:
    """What a worker has at hand: the clips, their variations, and the features of the input it is at."""

    def __init__(self, plan: Comparison, data: Path, out: Path) -> None:
        self.plan, self.out = plan, out
        whole = plan.recipe(plan.inputs[0], plan.nets[0], 0, "", 1)
        whole = whole.model_copy(update={"data": plan.data.model_copy(update={"test": [], "validation": []})})
        self.utterances: list[Utterance] = prepare(whole, data, _silent).train
        self.variations = Variations(self.utterances, plan.augment, plan.data.seed)
        self.speakers = sorted({clip.speaker for clip in clips_of(plan.data.manifests, plan.data, data, _silent)})
        self._kept: tuple[str, dict] = ("", {})

    def kept(self, input_: str) -> dict:
        """Features made so far of `input_`; those of another input are let go."""
        if self._kept[0] != input_:
            self._kept = (input_, {})
        return self._kept[1]

    def fold(self, input_: str, net: str, seed: int, unseen: str, steps: int) -> Fold:
        """One training."""
        recipe = self.plan.recipe(input_, net, seed, unseen, steps)
        with tempfile.TemporaryDirectory() as scratch:
            return trained(recipe, self.utterances, self.variations, self.kept(input_), Path(scratch))


_room: _Room


def _silent(_: str) -> None:
    pass


def _enter(plan: Comparison, data: Path, out: Path, threads: bool = True) -> None:
    global _room
    import torch

    torch.set_num_threads(1)
    _room = _Room(plan, data, out)


def _vary(part: int, parts: int) -> None:
    """Make every `parts`-th clip's variations."""
    file = _room.out / "variations" / f"{part}-of-{parts}.npz"
    if not file.exists() and _room.plan.augment.variations > 1:
        file.parent.mkdir(parents=True, exist_ok=True)
        Variations(_room.utterances[part::parts], _room.plan.augment, _room.plan.data.seed).save(file)


def _pace(input_: str, net: str) -> None:
    """Not while another does: two trainings at once slow each other down through the memory."""
    file = pace_file(_room.out, input_, net)
    if not file.exists():
        settings = _room.plan.net_settings(input_, net)
        write(file, timed(settings, _alphabet_size(_room.plan), _room.utterances, _room.plan.data.batch))


def _cell(input_: str, net: str, seed: int) -> None:
    _load_variations()
    pace = msgspec.json.decode(pace_file(_room.out, input_, net).read_bytes(), type=Pace)
    steps = _room.plan.steps or max(20, round(_room.plan.seconds / pace.step_s))
    folds = [_room.fold(input_, net, seed, unseen, steps) for unseen in _room.plan.unseen or _room.speakers]
    write(cell_file(_room.out, input_, net, seed), Cell(input_, net, seed, folds))


def _best(input_: str, net: str, seed: int, unseen: str, steps: int) -> None:
    _load_variations()
    write(best_file(_room.out, input_, net, seed, unseen), _room.fold(input_, net, seed, unseen, steps))


def _load_variations() -> None:
    if not _room.variations.loaded:
        for file in sorted((_room.out / "variations").glob("*.npz")):
            _room.variations.load(file)


def pace_file(out: Path, input_: str, net: str) -> Path:
    """Where a pace is kept."""
    return out / "pace" / f"{input_}-{net}.json"


def cell_file(out: Path, input_: str, net: str, seed: int) -> Path:
    """Where a cell is kept."""
    return out / "cells" / f"{input_}-{net}-{seed}.json"


def best_file(out: Path, input_: str, net: str, seed: int, unseen: str) -> Path:
    """Where a longer training of the best cell is kept."""
    return out / "best" / f"{input_}-{net}-{seed}-{unseen}.json"


def compare(
    plan: Comparison, data: Path, out: Path, *, workers: int = 2, quiet: bool = False, say: Say = print
) -> Path:
    """Train what is not trained yet, and write the report. Returns its file."""
    out.mkdir(parents=True, exist_ok=True)
    _same_plan(plan, out)
    whole = _Room(plan, data, out)  # bad data is said before any process starts
    if len(whole.speakers) < 2:
        raise RecipeError("a comparison needs clips of two speakers or more: one is left out in turn.")
    turns = plan.unseen or whole.speakers
    if unknown := sorted(set(turns) - set(whole.speakers)):
        raise RecipeError(f"unseen: no clip is by {', '.join(unknown)}. Speakers: {', '.join(whole.speakers)}.")
    if len(turns) < 2:
        raise RecipeError("unseen: name two speakers or more, so that nobody is a judge in his own case.")
    say(
        f"{len(whole.utterances)} clips; unseen in turn: {', '.join(turns)}; {len(plan.cells())} cells, "
        f"each trained {len(turns)} times"
    )
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the workers' BLAS when they start
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_enter, initargs=(plan, data, out)
    )
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )
    bar.disable = quiet or not bar.console.is_terminal
    try:
        with bar:
            _all(pool, bar, "variations", _vary, [(part, workers) for part in range(workers)])
            speeds = [(i, n) for i in plan.inputs for n in plan.nets if not pace_file(out, i, n).exists()]
            with ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=_enter, initargs=(plan, data, out)
            ) as alone:
                _all(alone, bar, "speed", _pace, speeds)
            todo = [cell for cell in plan.cells() if not cell_file(out, *cell).exists()]
            _all(pool, bar, "cells", _cell, todo)
            jobs = best_jobs(plan, out, whole.speakers)
            _all(pool, bar, "best", _best, [job for job in jobs if not best_file(out, *job[:4]).exists()])
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    from training.ctc.report import write_report

    return write_report(plan, out, whole.speakers)


def best_jobs(plan: Comparison, out: Path, speakers: list[str]) -> list[tuple[str, str, int, str, int]]:
    """(input, net, seed, unseen, steps) of the longer trainings.

    The cell for an unseen speaker is the one with the fewest errors on the *other* speakers, each of them unseen in his turn:
    nobody is a judge in his own case.
    """
    jobs = []
    for unseen in speakers:
        input_, net = chosen(cells(plan, out), without=unseen)
        pace = msgspec.json.decode(pace_file(out, input_, net).read_bytes(), type=Pace)
        steps = plan.steps * 10 if plan.steps else max(20, round(plan.best_seconds / pace.step_s))
        jobs += [(input_, net, seed, unseen, steps) for seed in range(plan.seeds)]
    return jobs


def cells(plan: Comparison, out: Path) -> list[Cell]:
    """All that are trained."""
    files = [cell_file(out, *cell) for cell in plan.cells()]
    return [msgspec.json.decode(file.read_bytes(), type=Cell) for file in files if file.exists()]


def chosen(done: Iterable[Cell], without: str = "") -> tuple[str, str]:
    """(input, net) with the fewest word errors over all seeds, those on the speaker `without` not looked at."""
    rates: dict[tuple[str, str], list[float]] = {}
    for cell in done:
        rates.setdefault((cell.input, cell.net), []).append(cell.wer(without))
    return min(rates, key=lambda pair: sum(rates[pair]) / len(rates[pair]))


def _all(
    pool: ProcessPoolExecutor, bar: Progress, name: str, work: Callable[..., None], jobs: list[tuple[Any, ...]]
) -> None:
    task = bar.add_task(name, total=len(jobs))
    for done in as_completed([pool.submit(work, *job) for job in jobs]):
        done.result()
        bar.advance(task)


def _alphabet_size(plan: Comparison) -> int:
    return plan.recipe(plan.inputs[0], plan.nets[0], 0, "", 1).letters().size


def _same_plan(plan: Comparison, out: Path) -> None:
    file, now = out / "plan.json", plan.model_dump_json(indent=2)
    if file.exists() and file.read_text() != now:
        raise RecipeError(f"{out} holds a comparison with another recipe. Give another --out, or remove that folder.")
    file.write_text(now)


def best_recipe(plan: Comparison, out: Path, speakers: list[str]) -> str:
    """The best cell of all as a recipe of `allo train ctc`, with the longer budget; its test speaker is the last one."""
    input_, net = chosen(cells(plan, out))
    pace = msgspec.json.decode(pace_file(out, input_, net).read_bytes(), type=Pace)
    steps = plan.steps * 10 if plan.steps else max(20, round(plan.best_seconds / pace.step_s))
    return to_toml(plan.recipe(input_, net, 0, speakers[-1], steps))  # type: ignore[arg-type]
