"""Decisions made anew from a file's logits, against those that are made from the rows at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import ResultsError
from autrt.model.folder import Member, Model
from autrt.pipeline.sink import ResultsSink
from autrt.results.reader import open_results
from autrt.results.verification.verify import verify
from autrt.run.decisions import Decisions, decide_anew
from autrt.types import Loss
from tests.support.command import datasets
from tests.support.rows import AUS, make_block, make_header

SHARES = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=3, max_size=3)


def member(i: int) -> Member:
    return Member(
        name=f"member{i}", path=Path(), architecture={}, au_names=AUS, thresholds=(0.5,) * 3, template="",
        outputs=(), network_digest=f"digest{i}", files={},
    )  # fmt: skip


def model(shares, thresholds=(0.3, 0.5, 0.7), windows=(1, 8, 30), domain="logit", order=(0, 1)) -> Model:
    """A model of two members, the second of which has what is left of each weight."""
    weights = np.array([shares, [1.25 - share for share in shares]], np.float32)[list(order)]
    return Model(
        name="new", path=Path(), members=tuple(member(i) for i in order), weights=weights, au_names=AUS,
        thresholds=np.array(thresholds, np.float32), smoothing_windows=np.array(windows, np.int32),
        smoothing_domain=domain, template="", licence="",
    )  # fmt: skip


def written(target: Path, of: Model, block, percentile, max_faces, *, keep_members=True) -> Path:
    """A results file as `infer` with this model and baseline writes it."""
    header = make_header(
        thresholds=tuple(map(float, of.thresholds)),
        smoothing_windows=tuple(map(int, of.smoothing_windows)),
        smoothing_domain=of.smoothing_domain,
        baseline="none" if percentile is None else f"p{percentile:g}",
        settings={"baseline_percentile": percentile, "max_faces": max_faces},
        model_digest=of.digest,
        model_name=of.name,
        member_names=tuple(m.name for m in of.members),
        network_digests=of.network_digests,
    )
    options = {"max_faces": max_faces, "baseline_percentile": percentile, "keep_members": keep_members}
    sink = ResultsSink(target, header, of.weights, **options)
    sink.write(block)
    return sink.finish([Loss(1.0, 2, "broken")], 3)


@settings(max_examples=8, deadline=None)
@given(
    old=SHARES,
    new=SHARES,
    windows=st.lists(st.integers(1, 60), min_size=3, max_size=3),
    domain=st.sampled_from(["logit", "probability"]),
    percentiles=st.tuples(st.sampled_from([None, 20.0]), st.sampled_from([None, 50.0])),
    max_faces=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 50),
)
def test_new_decisions_are_those_of_a_fresh_run(
    tmp_path_factory, old, new, windows, domain, percentiles, max_faces, seed
):
    folder = tmp_path_factory.mktemp("made")
    block = make_block(900, seed=seed)
    before, after = model(old), model(new, windows=windows, domain=domain)
    path = written(folder / "a.h5", before, block, percentiles[0], max_faces)
    fresh = written(folder / "fresh.h5", after, block, percentiles[1], max_faces)
    baseline = "none" if percentiles[1] is None else f"p{percentiles[1]:g}"
    decisions = Decisions(model=after, baseline=baseline)
    with open_results(path) as results:
        assert decide_anew(results, path, decisions, "again") == path
    assert verify(path) == []
    found, wanted = datasets(path), datasets(fresh)
    assert found.keys() == wanted.keys()
    for name, column in wanted.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)
    with open_results(path) as results, open_results(fresh) as other:
        assert results.run_digest == other.run_digest == decisions.run_digest(results.header)
        assert results.header.settings == other.header.settings
        assert (results.repaired_times, results.variable_rate) == (other.repaired_times, other.variable_rate)
        assert [step["command"] for step in results.header.recomputed] == ["again"]


def test_members_may_stand_in_another_order(tmp_path):
    path = written(tmp_path / "a.h5", model((1, 0.25, 0)), make_block(300), None, None)
    before = datasets(path)
    with open_results(path) as results:
        decide_anew(results, path, Decisions(model=model((1, 0.25, 0), order=(1, 0))), "again")
    after = datasets(path)
    np.testing.assert_array_equal(after["faces/member_logit"], before["faces/member_logit"][:, ::-1])
    np.testing.assert_allclose(after["faces/logit"], before["faces/logit"], rtol=1e-6)


def test_equal_weights_need_no_members(tmp_path):
    block = make_block(300)
    path = written(tmp_path / "a.h5", model((1, 0.25, 0)), block, None, None, keep_members=False)
    fresh = written(
        tmp_path / "b.h5", model((1, 0.25, 0), (0.1, 0.2, 0.3)), block, 20.0, None, keep_members=False
    )
    with open_results(path) as results:
        with pytest.raises(ResultsError, match="--keep-members"):
            decide_anew(results, tmp_path / "c.h5", Decisions(model=model((0, 0, 0))), "")
        decisions = Decisions(model=model((1, 0.25, 0), (0.1, 0.2, 0.3)), baseline="p20")
        decide_anew(results, path, decisions, "")
    found, wanted = datasets(path), datasets(fresh)
    assert all(
        np.array_equal(found[name], wanted[name], equal_nan=True) for name in wanted if "lost" not in name
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_members_that_were_not_run_are_not_made_up(tmp_path):
    block = make_block(300)
    block.outputs["logits"][:, 1] = np.nan
    path = written(tmp_path / "a.h5", model((1.25,) * 3), block, None, None)
    with open_results(path) as results:
        with pytest.raises(ResultsError, match="were not computed"):
            decide_anew(results, path, Decisions(model=model((1, 1, 1))), "")
        with pytest.raises(ResultsError, match="--model"):
            decide_anew(results, path, Decisions(baseline="p20"), "")
        decide_anew(results, path, Decisions(model=model((1.25,) * 3, windows=(9, 9, 9))), "")
    assert verify(path) == []
