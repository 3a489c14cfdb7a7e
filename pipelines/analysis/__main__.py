"""`python -m pipelines.analysis FOLDER`: write `analysis.json` beside a dump. How a server has it done: in a process of its own, which gives way to
whatever serves calls."""

import os
import sys
from pathlib import Path

from pipelines.analysis.analyze import analyze
from pipelines.analysis.files import write_analysis
from pipelines.errors import AlloError
from pipelines.replay.dump import read_dump
from pipelines.replay.sealed import Keys


def main() -> int:
    """Exit status 0, or 1 when the dump cannot be read or the file not be written."""
    folder = Path(sys.argv[1])
    try:
        keys = Keys.of_environment(os.environ)
        write_analysis(folder, analyze(read_dump(folder, keys)), keys)
    except (AlloError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
