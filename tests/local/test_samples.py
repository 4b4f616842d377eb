"""The bundled functions: the same job gives the same answer in every runtime."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lambdatune.aws.deploy import zip_code
from lambdatune.local import runtime_java
from lambdatune.session.samples import SAMPLE_PREFIX, find_sample, sample_names


def _invoke(endpoint: Any, sample: str, event: Any) -> Any:
    source = find_sample(f"{SAMPLE_PREFIX}{sample}")
    code = {"ZipFile": base64.b64encode(zip_code(Path(source.name))).decode()}
    members = {"Runtime": source.runtime, "Handler": source.handler, "Code": code, "MemorySize": 1769, "Timeout": 10}
    return endpoint.invoke(endpoint.create("", **members), event)


def test_every_sample_is_on_the_list_and_every_folder_a_sample() -> None:
    names = [name.removeprefix(SAMPLE_PREFIX) for name in sample_names()]
    folders = {Path(find_sample(f"{SAMPLE_PREFIX}{name}").name) for name in names}
    assert folders == {path for path in next(iter(folders)).parent.iterdir() if path.is_dir()}


@pytest.mark.parametrize("event", [{"items": 1_000}, {}])
def test_a_basket_costs_the_same_in_every_runtime(endpoint: Any, event: Any) -> None:
    baskets = [name.removeprefix(SAMPLE_PREFIX) for name in sample_names() if "basket" in name]
    answers = {name: _invoke(endpoint, name, event).json for name in baskets}
    assert len(answers) == 4
    assert all(answer == answers["basket-python"] for answer in answers.values()), answers
    assert answers["basket-python"]["items"] == event.get("items", 50_000)
    assert answers["basket-python"]["total_cents"] == sum(answers["basket-python"]["by_kind"].values())


@pytest.mark.parametrize("sample", ["lookup-python", "lookup-node"])
def test_a_lookup_waits(endpoint: Any, sample: str) -> None:
    answer = _invoke(endpoint, sample, {"lookups": 3, "wait_ms": 30})
    assert answer.json == {"found": [{"key": n, "value": n * n} for n in range(3)]}
    assert answer.report.duration_ms >= 90


def test_the_class_file_is_what_its_source_compiles_to(tmp_path: Path) -> None:
    folder = Path(find_sample("sample:basket-java").name, "basket")
    _, java, _ = min(runtime_java._installed())
    options = ["-nowarn", "-source", "11", "-target", "11", "-g:none", "-encoding", "UTF-8", "-d", str(tmp_path)]
    command = [java, "-m", "jdk.compiler/com.sun.tools.javac.Main", *options, str(folder / "Basket.java")]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "basket" / "Basket.class").read_bytes() == (folder / "Basket.class").read_bytes()
