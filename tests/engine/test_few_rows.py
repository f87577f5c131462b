"""Small batches row by row, beside full ones."""

from __future__ import annotations

import numpy as np
import pytest

from autrt.engine.few_rows import FEW, OPENED_AFTER, FewRowsEngine
from autrt.engine.graph import Graph
from autrt.engine.open import open_engine
from autrt.errors import EngineError
from autrt.model.folder import load_model
from tests.support.fakes import FakeEngine

CROPS = np.random.default_rng(0).integers(0, 256, (16, 112, 112, 3), np.uint8)


def test_few_rows_open_the_single_engine_when_it_is_worth_while():
    wide, opened = FakeEngine(batch=16), []

    def open_single():
        opened.append(FakeEngine(batch=1))
        return opened[-1]

    engine = FewRowsEngine(wide, open_single)
    for _ in range(OPENED_AFTER):
        engine.submit({"pixels": CROPS[:1]}).result()
    assert not opened
    assert wide.batches == [1] * OPENED_AFTER
    for rows in (1, FEW, FEW + 1, 16):
        found = engine.submit({"pixels": CROPS[:rows]}).result()
        expected = FakeEngine().submit({"pixels": CROPS[:rows]}).result()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
    assert wide.batches[OPENED_AFTER:] == [FEW + 1, 16]
    assert [one.batches for one in opened] == [[1] * (1 + FEW)]
    engine.close()
    assert wide.closed
    assert opened[0].closed


def test_few_rows_raise_the_failure_of_a_single_row():
    engine = FewRowsEngine(FakeEngine(), lambda: FakeEngine(error=EngineError("no luck")))
    for _ in range(OPENED_AFTER):
        engine.submit({"pixels": CROPS[:2]}).result()
    with pytest.raises(EngineError, match="no luck"):
        engine.submit({"pixels": CROPS[:2]}).result()


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_few_rows_give_the_numbers_of_a_full_batch(name):
    pytest.importorskip(name)
    graph = Graph.of(load_model("student").members[0])
    wide = open_engine(graph, engine=name, batch=16)
    engine = FewRowsEngine(wide, lambda: open_engine(graph, engine=name, batch=1))
    expected = wide.infer({"pixels": CROPS})
    for start in (*range(OPENED_AFTER), 0, 5, 9):
        found = engine.submit({"pixels": CROPS[start : start + 3]}).result()
        for output, values in expected.items():
            np.testing.assert_array_equal(found[output], values[start : start + 3])
    engine.close()
