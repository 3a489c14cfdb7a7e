"""What the commands of several rooms are given in the same way."""

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[Path, typer.Argument(help="TOML file; the room's folder recipes/ has some.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Set keys of the recipe, TABLE.KEY=VALUE.", metavar="key=value")
]
Data = Annotated[Path, typer.Option("--data", help="Folder that the recipe's data is in.", metavar="DIR")]
Out = Annotated[Path, typer.Option("--out", help="Folder that is written to.", metavar="DIR")]
