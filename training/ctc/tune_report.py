"""A study in two pictures and a table."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from optuna import Study
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

if TYPE_CHECKING:
    from training.ctc.tune import Tuning

_LEAST = 4  # finished trials before importance means anything


def write_report(study: Study, tuning: "Tuning", out: Path) -> None:
    """history.png, importance.png and study.md."""
    history(study, tuning.measure, out / "history.png")
    weights = importance(study)
    if weights:
        figure, panel = pyplot.subplots(figsize=(7, 0.5 * len(weights) + 1.5))
        panel.barh(list(weights)[::-1], list(weights.values())[::-1], color="tab:blue")
        panel.set(title="what made the difference (PED-ANOVA)", xlabel="share of the variance")
        figure.tight_layout()
        figure.savefig(out / "importance.png", dpi=110)
        pyplot.close(figure)
    trials = sorted(study.get_trials(deepcopy=False), key=lambda t: (t.value is None, t.value))
    keys = list(tuning.space)
    lines = [
        f"# {tuning.trials} trials of {tuning.recipe}, {tuning.sampler}",
        "",
        "![every trial, and the best so far](history.png)",
        "",
        *(["![what made the difference](importance.png)", ""] if weights else []),
        f"| trial | {tuning.measure} | ended | {' | '.join(keys)} |",
        "|" + "---|" * (3 + len(keys)),
    ]
    for trial in trials:
        state = "interrupted" if trial.state == TrialState.FAIL else trial.state.name.lower()
        ended = trial.user_attrs.get("reason", state)  # what fails by itself has one
        shown = [f"{v:.3g}" if isinstance(v := trial.params.get(key, "-"), float) else str(v) for key in keys]
        value = "-" if trial.value is None else f"{trial.value:.4f}"
        lines.append(f"| {trial.number} | {value} | {ended} | {' | '.join(shown)} |")
    (out / "study.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def importance(study: Study) -> dict[str, float]:
    """Share of each parameter in how much the trials differ, the largest first; empty while too few are done."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < _LEAST or len({trial.value for trial in done}) < 2:
        return {}
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())


def history(study: Study, measure: str, file: Path) -> None:
    """Each trial's value by its number; pruned ones at the last that was heard of them."""
    figure, panel = pyplot.subplots(figsize=(8, 4.5))
    best, steps = float("inf"), []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            best = min(best, trial.value)
            panel.plot(trial.number, trial.value, "o", color="tab:blue")
        elif trial.state == TrialState.PRUNED and trial.intermediate_values:
            panel.plot(trial.number, trial.intermediate_values[max(trial.intermediate_values)], "x", color="grey")
        if best < float("inf"):
            steps.append((trial.number, best))
    panel.step(*zip(*steps, strict=True), where="post", color="tab:red", label="best so far")
    panel.plot([], [], "o", color="tab:blue", label="finished")
    panel.plot([], [], "x", color="grey", label="pruned")
    panel.set(xlabel="trial", ylabel=f"validation {measure}")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
