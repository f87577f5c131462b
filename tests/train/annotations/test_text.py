"""Aff-Wild2's label text: every way of writing a row is read, and whatever is none is refused by line."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.aus import ABAW_AUS
from autrt_train.annotations.sets.label_text import read_label_text
from autrt_train.types import DataError
from tests.support.data_sets import HEADER

ROWS = st.integers(1, 12).flatmap(
    lambda width: st.tuples(
        st.permutations(ABAW_AUS).map(lambda names: names[:width]),
        st.lists(st.lists(st.sampled_from([0, 1, -1]), min_size=width, max_size=width), max_size=30),
    )
)


@st.composite
def written(draw):
    """Names, values, and a text that means them, written in some allowed way."""
    names, values = draw(ROWS)
    zeros = draw(st.sampled_from(["AU{}", "AU0{}", "au {}"]))
    header = ",".join(zeros.format(name[2:]) if len(name) == 3 else name for name in names)
    form = draw(st.sampled_from(["{}", " {}", "{} ", "{}.0"]))
    lines = [header, *(",".join(form.format(v) for v in row) for row in values)]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    tail = draw(st.sampled_from(["", end, end * 3]))
    bom = draw(st.sampled_from(["", "\ufeff"]))
    return tuple(names), values, bom + end.join(lines) + tail


@settings(max_examples=200, deadline=None)
@given(written())
def test_label_text_is_read_as_written(tmp_path_factory, case):
    names, values, content = case
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    found_names, found = read_label_text(path, ABAW_AUS)
    assert found_names == names
    assert found.dtype == np.int8
    assert found.tolist() == values


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(
        st.lists(st.sampled_from(["0", "1", "-1"]), min_size=12, max_size=12), min_size=1, max_size=20
    ),
    wrong=st.sampled_from(["x", "2", "", "m", "--1", "1e0", "-", "0;", "١", "nan", "1-1", "0\t1"]),
    data=st.data(),
)
def test_anything_else_is_refused_with_its_line_and_au(tmp_path_factory, values, wrong, data):
    row = data.draw(st.integers(0, len(values) - 1))
    column = data.draw(st.integers(0, 11))
    values[row][column] = wrong
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text("\n".join([HEADER, *(",".join(row) for row in values)]) + "\n")
    with pytest.raises(DataError, match=rf"a\.txt, line {row + 2}: {ABAW_AUS[column]}: expected 0, 1 or -1"):
        read_label_text(path, ABAW_AUS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("AU1,AU99\n0,1\n", "line 1: expected the header AU1,AU2"),
        ("AU1,AU01\n0,1\n", "line 1: AU1 stands twice"),
        ("0,1\n0,1\n", "line 1: expected the header"),
        ("", "line 1: expected the header"),
        ("AU1,AU2\n0,1\n0\n", "line 3: expected 2 values, found 1"),
        ("AU1,AU2\n0,1,1\n0\n", "line 2: expected 2 values, found 3"),
        ("AU1,AU2\n0,1\n\n0,1\n", "line 3: expected 2 values, found 1"),
    ],
)
def test_wrong_headers_and_rows_of_another_length(tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(message)):
        read_label_text(path, ABAW_AUS)


def test_a_missing_text_is_no_traceback(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_label_text(tmp_path / "none.txt")
