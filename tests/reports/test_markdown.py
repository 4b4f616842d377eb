"""The report in Markdown, read by an independent parser (markdown-it)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from markdown_it import MarkdownIt
from support.recorded_runs import INVALID, KILLED, MISSED, SLOWER

from lambdatune.reports.markdown_report import render_markdown


def tables(text: str) -> list[list[list[str]]]:
    """Return the text of every table, line by line and field by field."""
    found: list[list[list[str]]] = []
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in {"th_open", "td_open"} and after is not None:
            found[-1][-1].append("".join(child.content for child in after.children or ()))
    return found


def html_of(text: str) -> list[str]:
    """Return the HTML that the text holds as such."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    nested = [child for token in tokens for child in token.children or ()]
    return [token.content.strip() for token in (*tokens, *nested) if token.type.startswith("html")]


OWN_HTML = ["<details><summary>How to reproduce</summary>", "</details>"]


def test_the_verdict_comes_first_and_cold_and_warm_stand_apart_with_intervals(recorded) -> None:
    result = recorded(SLOWER)
    text = render_markdown(result)
    assert text.startswith("## lambdatune: orders-api\n\n**targets met**: Use 768 MB: the cheapest size proven")
    warm, cold = tables(text)
    assert (
        [row[0] for row in warm[1:]] == [row[0] for row in cold[1:]] == [str(cell.memory_mb) for cell in result.cells]
    )
    best = warm[4]
    assert best[:3] == ["768", "600", "35.0 (34.5 to 36.0)"]
    assert best[-2:] == ["0.60 ±2%", "✓ meets ★ best"]
    assert cold[4][:4] == ["768", "12", "315.1", "353.3 (316.7 to 362.2)"]
    assert cold[4][-1] == "388.9 (358.6 to no end)"
    assert html_of(text) == OWN_HTML


def test_a_run_that_missed_is_invalid_or_was_interrupted_says_so_first(recorded) -> None:
    assert "**targets missed**: No size meets" in render_markdown(recorded(MISSED))
    invalid = render_markdown(recorded(INVALID))
    assert "**invalid measurement**: No advice" in invalid
    assert "- **INVALID**: 280 of 2164 calls were throttled" in invalid
    assert "**targets met (interrupted)**: Use 512 MB" in render_markdown(recorded(KILLED))


def test_what_only_the_mode_measures_has_tables_of_its_own(delivered) -> None:
    text = render_markdown(delivered)
    _, _, times, messages = tables(text)
    assert times[0] == [
        "MB", "cold queued p50", "cold queued p95", "cold e2e p50", "cold e2e p95",
        "warm queued p50", "warm queued p95", "warm e2e p50", "warm e2e p95", "warm e2e p99",
    ]  # fmt: skip
    assert messages[1][:3] == ["512", "300", "298"]
    assert "twice: executed more than once" in text


def test_names_and_errors_from_elsewhere_are_text_and_nothing_else(hostile) -> None:
    text = render_markdown(hostile)
    assert html_of(text) == OWN_HTML
    assert [len(row) for table in tables(text) for row in table] == [8] * 4 + [6] * 4
    tokens = MarkdownIt().parse(text[: text.index("<details>")])
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert len(headings) == 4
    assert headings[1:] == ["Warm calls", "Cold starts", "Remarks"]
    assert all(character.isprintable() or character == "\n" for character in text)


def test_the_command_stands_in_a_fence_that_no_name_ends(result) -> None:
    plan = {**result.plan, "function": {**result.plan["function"], "name": "x\n````\n<b>"}}
    text = render_markdown(replace(result, plan=plan))
    (fence,) = [token for token in MarkdownIt().parse(text) if token.type == "fence"]
    assert fence.content.startswith("lambdatune run \\\n  --function 'x\n````\n<b>'")
    assert html_of(text) == OWN_HTML
