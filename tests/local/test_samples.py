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


def _create(endpoint: Any, sample: str) -> Any:
    source = find_sample(f"{SAMPLE_PREFIX}{sample}")
    code = {"ZipFile": base64.b64encode(zip_code(Path(source.name))).decode()}
    members = {"Runtime": source.runtime, "Handler": source.handler, "Code": code, "MemorySize": 1769, "Timeout": 10}
    return endpoint.create("", **members)


def test_every_sample_is_on_the_list_and_every_folder_a_sample() -> None:
    names = [name.removeprefix(SAMPLE_PREFIX) for name in sample_names()]
    folders = {Path(find_sample(f"{SAMPLE_PREFIX}{name}").name) for name in names}
    assert folders == {path for path in next(iter(folders)).parent.iterdir() if path.is_dir()}


def test_a_basket_costs_the_same_in_every_runtime(endpoint: Any) -> None:
    baskets = [name.removeprefix(SAMPLE_PREFIX) for name in sample_names() if "basket" in name]
    functions = {name: _create(endpoint, name) for name in baskets}
    assert len(functions) == 5
    for event, items in (({"items": 1_000}, 1_000), ({}, 50_000)):
        answers = {name: endpoint.invoke(function, event).json for name, function in functions.items()}
        first = answers["basket-python"]
        assert all(answer == first for answer in answers.values()), answers
        assert first["items"] == items
        assert first["total_cents"] == sum(first["by_kind"].values())


def test_a_lookup_waits_in_every_runtime(endpoint: Any) -> None:
    lookups = [name.removeprefix(SAMPLE_PREFIX) for name in sample_names() if "lookup" in name]
    assert len(lookups) == 5
    for sample in lookups:
        function = _create(endpoint, sample)
        answer = endpoint.invoke(function, {"lookups": 3, "wait_ms": 30})
        assert answer.json == {"found": [{"key": n, "value": n * n} for n in range(3)]}, sample
        assert answer.report.duration_ms >= 90, sample
        assert len(endpoint.invoke(function).json["found"]) == 2, sample


@pytest.mark.parametrize(("sample", "name"), [("basket-java", "basket/Basket"), ("lookup-java", "lookup/Lookup")])
def test_the_class_file_is_what_its_source_compiles_to(tmp_path: Path, sample: str, name: str) -> None:
    folder = Path(find_sample(f"sample:{sample}").name)
    _, java, _ = min(runtime_java._installed())
    options = ["-nowarn", "-source", "11", "-target", "11", "-g:none", "-encoding", "UTF-8", "-d", str(tmp_path)]
    command = [java, "-m", "jdk.compiler/com.sun.tools.javac.Main", *options, str(folder / f"{name}.java")]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / f"{name}.class").read_bytes() == (folder / f"{name}.class").read_bytes()
