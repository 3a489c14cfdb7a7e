import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("accelerate")

from typer.testing import CliRunner  # noqa: E402

from pipelines.adapters import kinds  # noqa: E402
from pipelines.errors import ModelError  # noqa: E402
from pipelines.models import exported  # noqa: E402
from training.cli import app  # noqa: E402
from training.common.errors import DataError, RecipeError  # noqa: E402
from training.common.recipe import load  # noqa: E402
from training.sentiment import recipe as recipes  # noqa: E402
from training.sentiment.data import TEXTS, divided  # noqa: E402
from training.sentiment.recipe import DataSettings, SentimentRecipe  # noqa: E402
from training.sentiment.train import run  # noqa: E402

LOOP = {"steps": 2, "evaluate_every": 1, "tensorboard": False}


def recipe(**changed) -> SentimentRecipe:
    return SentimentRecipe.model_validate({"name": "tiny", "net": {"kind": "linear"}, "loop": LOOP} | changed)


def bert(folder: Path) -> Path:
    """The real network made small, with random weights, and a tokenizer of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        ["I am happy with you", "Je ne suis pas content"],
        trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer.get_vocab()),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=160,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def test_the_words_model_is_taught_exported_and_served(tmp_path):
    folder = run(recipe(), tmp_path, tmp_path / "out", say=lambda _: None)
    served = kinds.load_added(exported.check(folder), folder)
    for text, language, label in (
        ("I am not happy.", "en", "negative"),
        ("Thank you, that is perfect.", "en", "positive"),
        ("My appointment is on Thursday.", "en", "neutral"),
        ("Je ne suis pas content.", "fr", "negative"),
        ("Merci, c'est parfait.", "fr", "positive"),
        ("Mon rendez-vous est jeudi.", "fr", "neutral"),
    ):
        found = served.analyze(text, language)
        assert max(found, key=found.__getitem__) == label, (text, found)
    figures = json.loads((tmp_path / "out" / "tiny.json").read_text())[0]["tests"]
    assert figures["phone_en"]["accuracy"] > 0.75
    assert figures["phone_fr"]["accuracy"] > 0.7
    said = CliRunner().invoke(app, ["sentiment-try", "I am not happy.", "--model", str(folder)])
    assert said.stdout.startswith("negative: negative 0.")


def test_networks_are_taught_exported_and_served(tmp_path):
    for name, net in (
        ("small", {"kind": "small", "width": 16}),
        ("bert", {"kind": "frozen", "base": str(bert(tmp_path / "bert"))}),
    ):
        folder = run(recipe(net=net), tmp_path, tmp_path / name, say=lambda _: None)
        served = kinds.load_added(exported.check(folder), folder)  # onnx and tokenizer give what torch gave
        assert sum(
            served.analyze("Quite a long sentence, in fact: it goes on and on.", "en").values()
        ) == pytest.approx(1)
        assert served.analyze("  ", "fr")["neutral"] == 1
        assert served.analyze("word " * 500, "en")


def test_what_is_tested_is_not_taught():
    parts = divided(DataSettings(), Path())
    taught = {s.text for s in parts.train}
    assert {len(parts.tests[f"phone_{language}"]) for language in ("en", "fr")} == {75}
    for name, some in parts.tests.items():
        assert not taught & {s.text for s in some}, name
    pairs = [
        {
            json.loads(line)["pair"]: json.loads(line)["part"]
            for line in (TEXTS / f"phone_{language}.jsonl").read_text().splitlines()
        }
        for language in ("en", "fr")
    ]
    assert pairs[0] == pairs[1]  # a sentence is not taught in one language and tested in the other


def test_reviews_are_divided_by_their_text(tmp_path):
    rows = [{"text": f"Number {i} is fine.", "sentiment": "positive"} for i in range(100)] * 2
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = divided(DataSettings(reviews=["r.jsonl"]), tmp_path)
    mine = [s.text for s in parts.train if s.source == "reviews"]
    assert len(mine) + len(parts.tests["reviews"]) == 100
    assert 8 <= len(parts.tests["reviews"]) <= 35
    (tmp_path / "r.jsonl").write_text('{"text": "x", "sentiment": "good"}\n')
    with pytest.raises(DataError, match="good"):
        divided(DataSettings(reviews=["r.jsonl"]), tmp_path)


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(ModelError, match="No text encoder"):
        run(recipe(net={"kind": "frozen", "base": str(tmp_path)}), tmp_path, tmp_path / "out", say=lambda _: None)
    with pytest.raises(RecipeError, match="not served"):
        run(recipe(net={"kind": "whisper", "base": "whisper-base"}), tmp_path, tmp_path / "out")


def test_the_shipped_recipes_are_recipes():
    for file in (Path(recipes.__file__).parent / "recipes").glob("*.toml"):
        load(file, SentimentRecipe)
