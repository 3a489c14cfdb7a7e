"""`allo train`: the recipes. Each room's commands live in its own `cli.py`; torch is imported when one of them runs."""

import typer

from training.common.cli import data
from training.ctc.cli import align, compare, ctc, growth, pretrain, tune, unseen
from training.denoise.cli import denoise, denoise_table
from training.emotion.cli import emotion, emotion_table
from training.extract.cli import extract, extract_table
from training.overlap.cli import overlap, overlap_speak, overlap_table
from training.sentiment.cli import sentiment, sentiment_table, sentiment_try
from training.speakers.cli import diarization_table, speakers, speakers_table
from training.turn.cli import turn, turn_table
from training.vad.cli import vad, vad_table
from training.wav2vec2.cli import wav2vec2
from training.whisper.cli import context_table, convert_whisper, export_whisper, parity, whisper, whisper_changes
from training.whisper.cli_medical import medical, terms_table
from training.whisper.cli_transcribe import transcribe

app = typer.Typer(
    help="Make the models that the server loads: speech recognition, voice activity, ends of turns, interruptions, speakers, noise, emotion, sentiment.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Recipes are TOML files; every key can be set on the command line as key=value."""


data.command()(medical)
app.add_typer(data, name="data")
for command in (
    ctc,
    pretrain,
    align,
    compare,
    growth,
    unseen,
    tune,
    denoise,
    denoise_table,
    wav2vec2,
    whisper,
    context_table,
    terms_table,
    parity,
    convert_whisper,
    export_whisper,
    whisper_changes,
    transcribe,
    speakers,
    speakers_table,
    diarization_table,
    extract,
    extract_table,
    vad,
    vad_table,
    turn,
    turn_table,
    overlap_speak,
    overlap,
    overlap_table,
    emotion,
    emotion_table,
    sentiment,
    sentiment_table,
    sentiment_try,
):
    app.command()(command)

if __name__ == "__main__":  # accelerate launch -m training.cli
    app()
