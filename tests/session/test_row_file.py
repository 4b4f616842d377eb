"""invocations.csv is read back exactly, and survives being cut."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.cell import Cell
from lambdatune.model.errors import UsageError
from lambdatune.model.invocation import Start, Status
from lambdatune.session.row_file import HEADER, format_rows, read_rows
from lambdatune.stats.rows import empty_rows

CELLS = [Cell("shop", size, "x86_64", "python3.12") for size in (128, 512)]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one.dtype.names
    )


milliseconds = st.none() | st.floats(0, 900_000).map(lambda value: round(value, 2))
row_values = st.fixed_dictionaries(
    {
        "cell": st.sampled_from([0, 1]),
        "shard": st.integers(0, 65_535),
        "order": st.integers(0, 2**32 - 1),
        "start": st.sampled_from(list(Start)),
        "status": st.sampled_from(list(Status)),
        "http_status": st.integers(0, 599),
        "intended_ns": st.integers(0, 2**62),
        "sent_ns": st.integers(0, 2**62),
        "first_byte_ns": st.integers(0, 2**62),
        "done_ns": st.integers(0, 2**62),
        "duration_ms": milliseconds,
        "init_ms": milliseconds,
        "restore_ms": milliseconds,
        "billed_ms": milliseconds,
        "max_memory_used_mb": st.integers(-1, 10_240),
        "request_id": st.sampled_from([b"", b"79b5e81f-9cdd-4145-b1f6-7c50ef8a2a36"]),
        "error": st.text("abcXYZ.09", max_size=48).map(str.encode),
    }
)


@given(st.lists(row_values, max_size=5))
def test_rows_are_read_back_exactly(values: list[dict]) -> None:
    rows = empty_rows(len(values))
    for row, fields in zip(rows, values, strict=True):
        for name, value in fields.items():
            row[name] = np.nan if value is None else value
    with TemporaryDirectory() as directory:
        path = Path(directory) / "invocations.csv"
        path.write_text(HEADER + format_rows(rows, CELLS), encoding="utf-8")
        assert same(read_rows(path, CELLS), rows)


def test_a_last_line_cut_by_a_crash_costs_that_line_only(tmp_path, make_rows) -> None:
    rows = make_rows([10.0, 11.0, 12.0])
    whole = HEADER + format_rows(rows, CELLS)
    path = tmp_path / "invocations.csv"
    path.write_text(whole[:-20], encoding="utf-8")
    assert same(read_rows(path, CELLS), rows[:2])


def test_no_file_means_no_rows(tmp_path) -> None:
    assert len(read_rows(tmp_path / "none.csv", CELLS)) == 0


def test_an_error_type_cannot_break_the_lines(tmp_path, make_rows) -> None:
    rows = make_rows([10.0], status=Status.FUNCTION_ERROR, error=b'a,"b"\nc')
    path = tmp_path / "invocations.csv"
    path.write_text(HEADER + format_rows(rows, CELLS), encoding="utf-8")
    assert read_rows(path, CELLS)["error"].tolist() == [b"a 'b' c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("x,y\n1,2\n", "its header differs"), (HEADER + "mem-512,what\n", "line 2 cannot be read")],
)
def test_a_file_of_another_form_is_refused_with_the_line(tmp_path, text, said) -> None:
    path = tmp_path / "invocations.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_rows(path, CELLS)
