"""The page: well-formed, self-contained, without script, its figures those of the result."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from support.recorded_runs import ALL, MISSED, SLOWER, TWO_TARGETS

from lambdatune.reports.html_report import policy, render_html
from lambdatune.reports.svg import Scale, scale_of, spread

VOID = {"meta", "link", "br"}
SELF_CLOSED = {"line", "circle", "path"}


class Page(HTMLParser):
    """Elements with their attributes, tables, and text by element; elements must be closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.said: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs) -> None:
        assert tag in SELF_CLOSED
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.said.setdefault(self.open[-1], []).append(data)
            if self.open[-1] in {"td", "th"}:
                self.rows[-1][-1] += data


@pytest.mark.parametrize("recipe", [*ALL, TWO_TARGETS], ids=lambda recipe: recipe.id)
def test_the_page_loads_and_runs_nothing(recorded, recipe) -> None:
    text = render_html(recorded(recipe))
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "img", "object", "embed", "base", "form", "foreignobject", "use", "image"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "xlink:href"}]
        assert attributes.get("href", "data:,") == "data:,"
    (style,) = page.said["style"]
    assert "url(" not in style
    assert "@import" not in style
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [policy(style)]
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert "prefers-color-scheme: dark" in style
    assert not re.search(r"\b(nan|inf)\b", "".join(text.split("<style>")[0] + text.split("</style>")[1]), re.IGNORECASE)


def test_verdict_tables_and_charts_tell_the_figures_of_the_result(recorded) -> None:
    page = Page(render_html(recorded(SLOWER)))
    assert page.said["strong"][0] == "targets met ✓"
    best = ["768 MB", "600", "35.0 (34.5 to 36.0)", "44.6 (43.7 to 46.3)", "49.1 (46.9 to 55.4)", "0", "0.60 ±2%"]
    assert [*best, "✓ meets ★ best"] in page.rows
    assert ["768 MB", "warm.duration.p95<=60ms", "meets", "600", "1"] in page.rows
    pictures = [a["aria-label"] for tag, a in page.elements if tag == "svg"]
    assert [label.split(":")[0] for label in pictures] == [
        "Cost and latency", "Distributions", "Percentiles of warm calls", "Percentiles of cold calls",
    ]  # fmt: skip
    assert "768 MB: 44.6 ms (43.7 to 46.3), 0.60" in pictures[0]
    assert "768 MB: 44.6 ms (43.7 to 46.3), 0.60 USD per million calls" in page.said["title"]
    classes = [a.get("class") or "" for tag, a in page.elements if tag in SELF_CLOSED]
    assert classes.count("hill warm") == classes.count("hill cold") == len(recorded(SLOWER).cells)
    assert sum("dot" in each.split() for each in classes) == len(recorded(SLOWER).cells)
    assert sum("curve" in each.split() for each in classes) == 2 * len(recorded(SLOWER).cells)


def test_places_in_the_charts_are_inside_the_picture(recorded) -> None:
    for recipe in (SLOWER, MISSED):
        page = Page(render_html(recorded(recipe)))
        inside = None
        for tag, attributes in page.elements:
            if tag == "svg":
                _, _, width, height = map(float, attributes["viewbox"].split())
                inside = (width, height)
            if inside and tag in {"line", "circle", "text"}:
                for name in ("x", "x1", "x2", "cx"):
                    assert 0 <= float(attributes.get(name) or 0) <= inside[0]
                for name in ("y", "y1", "y2", "cy"):
                    assert 0 <= float(attributes.get(name) or 0) <= inside[1]


def test_a_run_with_nothing_measured_is_a_page_without_charts(result) -> None:
    nothing = replace(result, cells=result.cells[:1], recommendation=replace(result.recommendation, status="invalid"))
    page = Page(render_html(nothing))
    assert not any(tag == "svg" for tag, _ in page.elements)
    assert Page(render_html(replace(nothing, cells=()))).rows


def test_many_sizes_draw_as_many_curves_as_can_be_told_apart(result) -> None:
    cell = result.cells[1]
    many = tuple(replace(cell, memory_mb=size) for size in range(128, 128 + 64 * 20, 64))
    page = Page(render_html(replace(result, cells=many, recommendation=replace(result.recommendation, memory_mb=512))))
    curves = [a["class"] for tag, a in page.elements if tag == "path" and "curve" in a["class"].split()]
    assert len(curves) == 16
    assert sum("best" in each.split() for each in curves) == 2
    assert any("8 of 20 sizes" in words for words in page.said["figcaption"])


def test_what_only_the_mode_measures_has_tables(delivered) -> None:
    page = Page(render_html(delivered))
    assert ["512", "300", "298", "3", "1", "1", "1", "7.5", "9.9", "1234"] in page.rows


def test_text_from_elsewhere_stays_text(hostile) -> None:
    page = Page(render_html(hostile))
    assert not any(tag in {"script", "b"} for tag, _ in page.elements)
    assert "a|b`c`<script>alert(1)</script> ## x * [y](z) & ]]> \ufffd\ufffd \" '" in page.said["h1"]
    assert all(character.isprintable() or character == "\n" for character in render_html(hostile))


def test_scales_hold_what_they_are_made_of() -> None:
    for values, is_log in (([5.0], False), ([5.0], True), ([0.0], False), ([41.0, 44.0], True), ([1.0, 9e6], True)):
        scale = scale_of(values, 0, 100, is_log=is_log)
        assert all(0 < scale(value) < 100 for value in values)
        assert 2 <= len(scale.ticks()) <= 11
        assert scale.ticks() == sorted(set(scale.ticks()))
    assert Scale(1, 100, 0, 10, is_log=True)(10) == pytest.approx(5)
    places = spread([10, 11, 12, 99], 0, 100, gap=10)
    assert all(later - before >= 10 - 1e-9 for before, later in pairwise(places))
