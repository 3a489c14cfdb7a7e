"""The bench of models' cost counts what was learnt, and nothing else."""

import json
import sys

import numpy as np
import pytest

from pipelines.adapters import kinds
from pipelines.models.store import Store
from tests.load import model_cost
from tests.load.model_cost import cpu_ms, parameters, work


def test_parameters_are_the_numbers_of_the_weights(tmp_path):
    assert parameters(tmp_path) is None
    np.savez(tmp_path / "linear.npz", weights=np.zeros((3, 4)), bias=np.zeros(3))
    np.savez(tmp_path / "self_test.npz", audio=np.zeros(999))
    (tmp_path / "lexicon.txt").write_text("good 1\n")
    assert parameters(tmp_path) == 15


def test_shapes_and_branches_of_an_onnx_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def weights(name: str, *shape: int, kind: type = np.float32):
        return numpy_helper.from_array(np.ones(shape, kind), name)

    def branch(name: str, size: int):
        held = helper.make_node("Constant", [], ["y"], value=weights("w", 2, size))
        return helper.make_graph([held], name, [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])

    chosen = helper.make_node("If", ["c"], ["y"], then_branch=branch("then", 5), else_branch=branch("else", 3))
    graph = helper.make_graph(
        [chosen],
        "g",
        [helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weights("a", 7), weights("shape", 3, kind=np.int64), weights("quantized", 4, kind=np.int8)],
    )
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    assert parameters(tmp_path) == 7 + 4 + 10  # one branch at a time


def test_work_takes_time():
    assert cpu_ms(lambda: sum(range(200_000))) > 0.1
    assert cpu_ms(lambda: None) < 0.1


def test_a_model_of_the_store_is_a_row(monkeypatch, capsys, tmp_path):
    store = Store(tmp_path)
    store.pull("sentiment-linear")  # carried
    monkeypatch.setattr(model_cost, "Store", lambda: store)
    monkeypatch.setattr(model_cost, "line_of", lambda _: np.zeros(20 * 16_000, np.float32))
    monkeypatch.setattr(sys, "argv", ["model_cost", "--data", ".", "--only", "sentiment-linear", "--json"])
    model_cost.main()
    [row] = json.loads(capsys.readouterr().out)
    assert row["port"] == "sentiment"
    assert row["ms"] > 0
    assert row["parameters"] > 10_000


def test_nets_that_are_not_carried_can_be_asked(tmp_path):
    pytest.importorskip("torch")
    from tests.load.untrained import written

    line = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    asked = {}
    for name, port, kind, folder in written(tmp_path):
        run, _ = work(port, kinds.load(port, kind, folder), line)
        asked[name] = (port, run() is not None, parameters(folder) > 10_000)
    assert {port for port, *_ in asked.values()} == {"vad", "denoise", "turn", "speaker", "extract", "emotion"}
    assert all(all(fine) for _, *fine in asked.values())
