"""Visualization URLs that are public, read with our reader: what they hold is known from where they stand."""

from __future__ import annotations

import base64
import struct

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.model.power_tuning import PowerTuning, is_url, read_visualization_url

SITE = "https://lambda-power-tuning.show/#"
RESIZE = SITE + "gAAAAQACAAQACMAL;cSwARe92gERmEgdE6IzTQ+VXaUOPEmRD;tYWQNuffkDYZfJg20gPvNsDoAzcSmj03"
"""From ubc-cirrus-lab/unfaasener, benchmarks/aws_step_functions/powerTuning/ImageProcessingBenchmark/sample_3/
ImageProcessingResize/README.md, in an output: power 128, cost 0.000004307100000000001, duration 2050.7774999999997."""
STEPS = (
    SITE + "gACIAJAAmACgAKgAsAC4AMAAyADQANgA4ADoAPAA+AAAAQ==;w2AJRWOtDEXvJAJFY9ftREgV5kQi3OxESLe/RHvkzkTXZcxEA4OwRM3Yo"
    "UQDuZZEEbOaRB+Vj0S8lYpE1ACpRAqtgEQ=;dfOaNlOHqDbSH6U2czyfNu8nojYJQq82eaCUNoO9pzZe66w2bZKbNohIlDZXZ482MqmYNg+/kja"
    "PhZI2wLe4Ng8okTY="
)
"""From the same page: 128 to 256 MB by 8, power 216, cost 0.0000042737625, duration 1205.7816666666665."""
CONSENTS = SITE + "AAQABgAI;3t2NQUREREFERExB;ilmiNADhrzRWgeo0"
"""Of the post "Reducing Lambda latency by 76% with AWS Lambda Power Tuning" (2024-07-14): strategy balanced,
power 1536, cost 3.2760000000000005e-7, duration 12.266666666666667."""
README = SITE + "gAAAAQACAAQABsAL;ZooQR4yvkUa/pQRGRC5zRaADHUVjOftE;QdWhOEMkoziDT5Q4xhiIOMYYiDi6RNc4"
"""The example of aws-lambda-power-tuning's README (commit bf44b4a, 2019)."""
DEMO = SITE + "gAEAAgAEAAYACA==;Go9qRqDLVUbymEpGgC0jRn/iMkY=;41bGOHAK8Th8bWQ5mvyJObyvyTk="
COMPARED = DEMO + ";gAEAAgAEAAYACA==;0+hrRh7TR0YDoxBG/mQCRjclCkY=;sX2hOBZhtji8AgQ5ZIcyOV8vfDk=;JS%20x86;JS%20ARM64"
"""The demos of the page's own README (matteo-ronchetti/aws-lambda-power-tuning-ui, commit 7317e14)."""


def only(url: str) -> PowerTuning:
    (tuning,) = read_visualization_url(url)
    return tuning


@pytest.mark.parametrize(
    ("url", "choice", "power", "cost", "duration_ms"),
    [
        (RESIZE, "cheapest_mb", 128, 0.000004307100000000001, 2050.7774999999997),
        (STEPS, "cheapest_mb", 216, 0.0000042737625, 1205.7816666666665),
        (CONSENTS, "balanced_mb", 1536, 3.2760000000000005e-7, 12.266666666666667),
    ],
)
def test_the_figures_of_a_public_url_are_those_of_the_output_that_it_stood_in(
    url, choice, power, cost, duration_ms
) -> None:
    tuning = only(url)
    at = tuning.sizes_mb.index(power)
    assert getattr(tuning, choice) == power
    assert tuning.costs[at] == pytest.approx(cost, rel=1e-7)
    assert tuning.durations_ms[at] == pytest.approx(duration_ms, rel=1e-7)


@pytest.mark.parametrize("url", [RESIZE, STEPS, CONSENTS, README, DEMO])
def test_a_public_url_is_made_again_to_the_letter(url) -> None:
    assert only(url).url == url


def test_the_sizes_of_public_urls() -> None:
    assert only(RESIZE).sizes_mb == (128, 256, 512, 1024, 2048, 3008)
    assert only(STEPS).sizes_mb == tuple(range(128, 257, 8))
    assert only(README).sizes_mb == (128, 256, 512, 1024, 1536, 3008)
    assert only(README).fastest_mb == 3008


def test_a_public_comparison_is_two_tunings_with_their_names() -> None:
    x86, arm = read_visualization_url(COMPARED)
    assert (x86.name, arm.name) == ("JS x86", "JS ARM64")
    assert x86.sizes_mb == arm.sizes_mb == only(DEMO).sizes_mb == (384, 512, 1024, 1536, 2048)
    assert x86.durations_ms == only(DEMO).durations_ms
    assert arm.costs[0] < x86.costs[0]
    assert only(DEMO + ";") == only(DEMO)  # as the page's README writes it


def test_a_url_of_another_page_or_in_china_is_read_as_well_and_sizes_are_put_in_order() -> None:
    assert only(f"  http://localhost:3000/?currency=CNY#{DEMO.partition('#')[2]}\n").currency == "CNY"
    assert only(only(DEMO.replace("/#", "/?currency=CNY#")).url).currency == "CNY"
    shuffled = [base64.b64encode(struct.pack(kind, *figures)).decode() for kind, figures in (
        ("<2h", (512, 128)), ("<2f", (1.0, 2.0)), ("<2f", (3.0, 4.0)),
    )]  # fmt: skip
    assert only(SITE + ";".join(shuffled)) == PowerTuning((128, 512), (2.0, 1.0), (4.0, 3.0))


def listed(kind: str, *figures: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(figures)}{kind}", *figures)).decode()


@pytest.mark.parametrize(
    ("fragment", "why"),
    [
        ("", "not nothing"),
        ("gAA=", "not 1"),
        (RESIZE.partition("#")[2] + ";x;y", "not 5"),
        ("<encoded_data>;a;b", "its list of sizes is not base64"),
        ("gAA=;ä;b", "its list of times is not base64"),
        ("gAAA;AACAPw==;AACAPw==", "its list of sizes was cut off"),
        (f"{listed('h', 128)};{listed('f', 1, 2)};{listed('f', 1)}", "it has 1 sizes, 2 times and 1 costs"),
        (";;;", "it has no size"),
        (f"{listed('h', 64)};{listed('f', 1)};{listed('f', 1)}", "64 MB is no memory size"),
        (f"{listed('h', -1)};{listed('f', 1)};{listed('f', 1)}", "-1 MB is no memory size"),
        (f"{listed('h', 128, 128)};{listed('f', 1, 1)};{listed('f', 1, 1)}", "a size stands in it twice"),
        (f"{listed('h', 128)};{listed('f', float('nan'))};{listed('f', 1)}", "is no number from 0 on"),
        (f"{listed('h', 128)};{listed('f', 1)};{listed('f', -1)}", "is no number from 0 on"),
    ],
)
def test_what_is_no_visualization_url_is_refused_with_the_reason(fragment, why) -> None:
    with pytest.raises(UsageError, match="is no visualization URL of aws-lambda-power-tuning") as caught:
        read_visualization_url(SITE + fragment)
    assert why in caught.value.message
    assert "stateMachine.visualization" in caught.value.hint


def test_a_name_or_a_path_is_no_url() -> None:
    assert is_url(" HTTPS://x/#y")
    assert not any(map(is_url, ("latest", "runs/20261124", "input.json", "https")))
