"""The page in a real browser: no complaint, no request, no script needed, readable on a phone, in dark and light."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.browser import Browser, Page, Site, opened, serving
from support.recorded_runs import MISSED, SLOWER

from lambdatune.reports.html_report import render_html
from lambdatune.session.replay import WhatIf, open_run

if TYPE_CHECKING:
    from collections.abc import Iterator

PHONE, SCREEN = 360, 1280
CONTRAST = 4.5
"""WCAG 2.2, criterion 1.4.3, of text of the usual size."""

TEXTS = """[...document.querySelectorAll('body *')]
    .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .filter(each => each.tagName !== 'title')
    .map(each => {
        let behind = each, colour = 'rgba(0, 0, 0, 0)';
        while (behind && colour === 'rgba(0, 0, 0, 0)') {
            colour = getComputedStyle(behind).backgroundColor;
            behind = behind.parentElement;
        }
        const style = getComputedStyle(each), scale = each.getScreenCTM ? each.getScreenCTM().a : 1;
        const ink = each.ownerSVGElement ? style.fill : style.color;
        return [each.textContent, ink, colour, parseFloat(style.fontSize) * scale];
    })"""
"""Every element with text of its own: the text, its colour, the one behind it, and its size in CSS pixels."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(params=["met", "missed", "delivered", "hostile"])
def url(request, site, run_of) -> str:
    """Return the URL of the page of a run; recorded ones tell what cold starts cost as well."""
    recipes = {"met": SLOWER, "missed": MISSED}
    kind = request.param
    recorded = kind in recipes
    result = open_run(run_of(recipes[kind]), WhatIf(traffic_per_s=20.0)) if recorded else request.getfixturevalue(kind)
    site.asked.clear()
    return site.put(f"/{kind}.html", render_html(result))


def luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: str, paper: str) -> float:
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def fits(page: Page, width: int) -> bool:
    return page.width() <= width and page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_a_phone_shows_it_without_script_request_or_complaint_and_does_not_scroll_sideways(browser, site, url) -> None:
    with opened(browser, url, width=PHONE, script=False) as page:
        assert page.complaints == []
        assert page.requests == [url]
        assert fits(page, PHONE)
        texts = page.evaluate(TEXTS)
        assert min(size for *_, size in texts) >= 9
        shown = page.evaluate("document.body.innerText")
    with opened(browser, url, width=PHONE, script=True) as page:
        assert page.complaints == []
        assert page.requests == [url]
        assert page.evaluate("document.body.innerText") == shown
    assert site.asked == [url.removeprefix(f"http://127.0.0.1:{site.server_address[1]}")] * 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_a_light_and_on_a_dark_screen(browser, url, scheme) -> None:
    with opened(browser, url, width=SCREEN, scheme=scheme) as page:
        assert page.complaints == []
        assert fits(page, SCREEN)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(paper) > 0.5) == (scheme == "light")
        texts = page.evaluate(TEXTS)
        assert len(texts) > 20
        faint = {(text, ink, behind) for text, ink, behind, _ in texts if contrast(ink, behind) < CONTRAST}
        assert not faint


def test_a_page_that_does_any_of_it_is_found_out(browser, site) -> None:
    bad = (
        '<!doctype html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        '<meta http-equiv="Content-Security-Policy" content="style-src \'none\'"><p style="color: red">x</p>'
        '<img src="/elsewhere.png"><script>console.error("loud"); document.title = "ran"</script>'
        "<pre>" + "wide " * 100 + "</pre>"
    )
    url = site.put("/bad.html", bad)
    with opened(browser, url, width=PHONE, script=True) as page:
        told = str(page.complaints)
        assert "loud" in told
        assert "404" in told
        assert "ContentSecurityPolicyIssue" in told
        assert page.requests == [url, url.replace("bad.html", "elsewhere.png")]
        assert page.evaluate("document.title") == "ran"
        assert not fits(page, PHONE)
    with opened(browser, url, width=PHONE, script=False) as page:
        assert page.evaluate("document.title") == ""
        assert "loud" not in str(page.complaints)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.478, abs=0.001)
