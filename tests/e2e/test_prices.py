"""The prices of a run: AWS's list where it may be read, else the bundled table; recorded, and used again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from support.program import only_run, result_of

pytestmark = pytest.mark.slow

PRICE_LIST = Path(__file__).parents[1] / "support" / "price_list.py"


@pytest.fixture
def price_list(monkeypatch, tmp_path) -> Iterator[Callable[..., str]]:
    """Start a price list and let the program find it; return its URL."""
    started: list[subprocess.Popen[str]] = []
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    def begin(*arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(PRICE_LIST), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", url)
        return url

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def tune(functions, lambdatune, tmp_path) -> Callable[..., tuple[dict[str, Any], str, str]]:
    """Run a short plan; return run.json, stderr and stdout."""

    def run(name: str, *arguments: str) -> tuple[dict[str, Any], str, str]:
        done = lambdatune(
            "run", "--function", str(functions / "quick"), "--runtime", "python3.12", "--handler", "app.handler",
            "--memory", "512", "--cold-starts", "1", "--max-invocations", "5", "--output", str(tmp_path / name),
            *arguments,
        )  # fmt: skip
        assert done.code in {0, 5}, done.err
        return result_of(only_run(tmp_path / name)), done.err, done.out

    return run


def pages_asked(url: str) -> int:
    with urlopen(f"{url}/requests") as answer:
        return int(json.load(answer))


def test_a_run_off_aws_reckons_with_the_bundled_table_and_asks_no_one(price_list, tune) -> None:
    url = price_list()
    result, err, _ = tune("a")
    assert result["environment"]["prices"]["source"] == "bundled"
    assert result["environment"]["prices"]["published"] == "2026-09-19"
    assert "prices:" not in err
    assert pages_asked(url) == 0


def test_the_live_list_is_used_recorded_kept_for_later_and_shown_again(price_list, tune, lambdatune, tmp_path) -> None:
    url = price_list("--factor", "3")
    result, err, _ = tune("a", "--prices", "live")
    assert "prices: AWS price list of 2026-11-03" in err
    prices = result["environment"]["prices"]
    assert (prices["source"], prices["published"], prices["currency"]) == ("live", "2026-11-03", "USD")
    assert prices["duration_tiers"][0] == [6_000_000_000, pytest.approx(3 * 1.66667e-5)]
    assert prices["derived"] == ["snapstart_cache", "snapstart_restore"]
    bundled, _, _ = tune("b")
    per_call = [run["spend"]["usd"] / run["spend"]["invocations"] for run in (result, bundled)]
    assert per_call[0] > 2 * per_call[1]

    pages = pages_asked(url)
    assert pages == 3  # 13 products, five a page
    tune("c", "--prices", "live")
    assert pages_asked(url) == pages

    # Decided anew without a price list at hand, it costs what it cost.
    anew = lambdatune("show", str(only_run(tmp_path / "a")), "--cold-rate", "1%", "--format", "json")
    assert json.loads(anew.out)["spend"]["usd"] == pytest.approx(result["spend"]["usd"], rel=1e-9)
    assert json.loads(anew.out)["cells"][0]["cost_usd_per_million"] == result["cells"][0]["cost_usd_per_million"]


def test_a_price_list_that_may_not_be_read_leaves_the_bundled_table(price_list, tune) -> None:
    price_list("--deny")
    result, err, _ = tune("a", "--prices", "live")
    assert "prices: bundled table of 2026-09-19 (pricing:GetProducts denied)" in err
    assert result["environment"]["prices"]["source"] == "bundled"


def test_a_price_list_kept_for_more_than_a_week_is_read_anew(price_list, tune, own_data_directory) -> None:
    url = price_list()
    tune("a", "--prices", "live")
    (kept,) = (own_data_directory / "cache").iterdir()
    text = json.loads(kept.read_text())
    text["fetched"] = "2026-01-01T00:00:00Z"
    kept.write_text(json.dumps(text))
    tune("b", "--prices", "live")
    assert pages_asked(url) == 6


def test_china_is_shown_in_yuan(price_list, tune, lambdatune, tmp_path) -> None:
    price_list("--factor", "7")
    result, _, out = tune("a", "--prices", "live", "--region", "cn-north-1")
    assert result["environment"]["prices"]["currency"] == "CNY"
    assert "CNY" in out
    assert "$" not in out


@pytest.mark.parametrize(("region", "sign"), [("us-east-1", "about $"), ("cn-north-1", "about CNY ")])
def test_on_aws_itself_the_live_list_is_the_default(
    price_list, endpoint, create, lambdatune, monkeypatch, region, sign
) -> None:
    price_list("--factor", "2")
    local = endpoint()
    create(local, "quick")
    monkeypatch.setenv("AWS_ENDPOINT_URL", local.url)  # stands for AWS; nothing is called before the question
    done = lambdatune("run", "--function", "quick", "--memory", "512", "--region", region)
    assert done.code == 2
    assert "add --yes to go ahead" in done.err
    assert "prices: AWS price list of 2026-11-03" in done.err
    assert sign in done.err
    assert local.functions() == ["quick"]


def test_load_is_not_sent_to_aws_while_the_control_plane_is_elsewhere(
    endpoint, create, lambdatune, monkeypatch
) -> None:
    local = endpoint()
    create(local, "quick")
    monkeypatch.setenv("AWS_ENDPOINT_URL", local.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    done = lambdatune("run", "--function", "quick", "--memory", "512", "--region", "us-east-1", "--yes")
    assert done.code == 2
    assert "the load would go to AWS itself" in done.err
    assert f"hint: --endpoint-url {local.url}" in done.err
    assert local.functions() == ["quick"]


def test_an_unknown_source_of_prices_names_the_choices(lambdatune) -> None:
    done = lambdatune("run", "--function", "any", "--prices", "liv")
    assert done.code == 2
    assert "--prices: there are no prices `liv`: expected live or bundled" in done.err
    assert "did you mean live?" in done.err
