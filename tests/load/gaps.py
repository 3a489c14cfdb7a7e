"""How long callers wait, and how fast the agent yields: scripted calls one after another, measured in the caller's ear.

    python -m tests.load.gaps                     # the English and the French script, three times each
    python -m tests.load.gaps --rounds 1 --scripts en --json

Every call gets a server of its own: with a server that stays, a repeated script finds its whole conversation in the language
model's prompt cache, and the first token comes in a sixth of the time that a new caller would wait.

gap     from the last sound of the caller's clip until the first audible sound of the agent, both in the caller's ear.
parts   of the same gap, as the server knows them (`Turn.parts`).
yield   from the first sound of a clip spoken over the agent until the agent is silent in the caller's ear.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

PARTS = ("endpointing", "stt", "first_token", "first_audio", "playout")


def place(script: str, folder: Path) -> dict:
    """One call to a fresh server; the report of `allo call --json`."""
    command = [sys.executable, "-m", "server", "call", "--script", script, "--dumps", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"`allo call --script {script}` failed:\n{done.stderr}") from None


def percentiles(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{np.median(values):.2f} / {np.percentile(values, 95):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", default=["en", "fr"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(stderr=options.json, width=120)
    rows: dict[str, dict[str, list[float]]] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(script, n) for n in range(options.rounds) for script in options.scripts]
        for script, n in track(jobs, "calls", console=console):
            report = place(script, Path(folder) / f"{script}-{n}")
            failures += [f"{script}, call {n + 1}: {line}" for line in report["failures"]]
            row = rows.setdefault(script, {name: [] for name in ("gap", "yield", "errors", *PARTS)})
            row["errors"].append(report["errors"])
            row["yield"] += [seconds for seconds in report["yields"] if seconds is not None]
            for turn in report["turns"]:
                if turn["ear_gap"] is not None and turn["gap"] is not None:
                    row["gap"].append(turn["ear_gap"])
                    for part in PARTS:
                        row[part].append(turn["parts"].get(part, 0.0))
    whole = {name: [v for row in rows.values() for v in row[name]] for name in ("gap", "yield", "errors", *PARTS)}
    if options.json:
        print(json.dumps({"rows": rows, "failures": failures}))
        return
    table = Table(
        "script", "replies", "gap", *PARTS, "yield", "words misheard", title="seconds, median / 95th percentile"
    )
    for name, row in {**rows, "all": whole}.items():
        errors = f"{100 * np.mean(row['errors']):.1f} %"
        table.add_row(name, str(len(row["gap"])), *(percentiles(row[key]) for key in ("gap", *PARTS, "yield")), errors)
    console.print(table)
    for line in failures:
        console.print(f"✗ {line}")


if __name__ == "__main__":
    main()
