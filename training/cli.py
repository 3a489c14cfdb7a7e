"""`allo train`: the recipes. Each room's commands live in its own `cli.py`; torch is imported when one of them runs."""

import typer

app = typer.Typer(
    help="Make the models that the server loads: speech recognition from scratch and fine-tuned.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Recipes are TOML files; every key can be set on the command line as key=value."""


def _add_data() -> None:
    from training.common.cli import data
    from training.whisper.cli_medical import medical

    data.command()(medical)
    app.add_typer(data, name="data")


def _add_ctc() -> None:
    from training.ctc.cli import compare, ctc, tune

    app.command()(ctc)
    app.command()(compare)
    app.command()(tune)


_add_data()
_add_ctc()

if __name__ == "__main__":  # accelerate launch -m training.cli
    app()
