"""What is no Python travels with the package too: an editable install would not notice that it is left out."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]


def test_every_file_that_the_server_reads_is_in_the_package():
    packed = {
        path
        for package, patterns in DATA.items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    there = {
        path
        for folder in ("server", "pipelines")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md")
    }
    assert there
    assert there - packed == set()
