"""Executable .NET assemblies, with a stand-in for `dotnet` that takes its arguments and runs Python as the assembly."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lambdatune.local import runtime_dotnet
from lambdatune.local.errors import ApiError
from lambdatune.local.runtimes import Runtimes

if TYPE_CHECKING:
    from collections.abc import Callable

DOTNET = """\
#!{python} -S
import sys
arguments = sys.argv[1:]
if arguments == ["--list-runtimes"]:
    print("Microsoft.AspNetCore.App 99.0.0 [/opt/dotnet/shared/Microsoft.AspNetCore.App]")
    for version in {versions}:
        print(f"Microsoft.NETCore.App {{version}} [/opt/dotnet/shared/Microsoft.NETCore.App]")
    sys.exit()
if arguments[0] != "exec":
    sys.exit(129)
options = arguments[1:-1]
if options not in ([], ["--roll-forward", "Major"]) or not arguments[-1].endswith(".dll"):
    sys.exit(129)
exec(compile(open(arguments[-1]).read(), arguments[-1], "exec"), {{"options": options}})
"""
ASSEMBLY = """\
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as answer:
        event, request_id = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    told = [event, options, os.environ["_HANDLER"], os.environ["AWS_EXECUTION_ENV"], os.getcwd()]
    urllib.request.urlopen(api + request_id + "/response", json.dumps(told).encode()).close()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make the stand-in with given versions the only .NET of the host."""

    def make(*versions: str) -> Path:
        dotnet = tmp_path / "dotnet-home" / "dotnet"
        dotnet.parent.mkdir(exist_ok=True)
        dotnet.write_text(DOTNET.format(python=sys.executable, versions=list(versions)))
        dotnet.chmod(0o755)
        monkeypatch.setattr(runtime_dotnet, "_HOMES", ())
        monkeypatch.delenv("DOTNET_ROOT", raising=False)
        monkeypatch.setenv("PATH", str(dotnet.parent))
        return dotnet

    return make


def test_an_assembly_is_run_by_dotnet(
    install: Callable[..., Path], start_endpoint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.environ["PATH"]
    dotnet = install("8.0.11", "8.0.22")
    monkeypatch.setenv("PATH", f"{dotnet.parent}{os.pathsep}{path}")
    endpoint = start_endpoint()
    name = endpoint.create(files={"Shop.dll": ASSEMBLY}, Runtime="dotnet8", Handler="Shop", MemorySize=1769)
    answer = endpoint.invoke(name, {"a": 1})
    event, options, handler, execution_env, cwd = answer.json
    assert (event, options, handler, execution_env) == ({"a": 1}, [], "Shop", "AWS_Lambda_dotnet8")
    assert (Path(cwd) / "Shop.dll").exists()
    assert "INIT_START Runtime Version: dotnet:8.0.22\t" in answer.tail
    assert endpoint.host()["runtimes"]["dotnet8"] == f"{dotnet} (.NET 8.0.22)"
    endpoint.update(name, Handler="Other")
    missing = endpoint.invoke(name)
    assert missing.json["errorType"] == "Runtime.InvalidEntrypoint"
    assert missing.json["errorMessage"].endswith("the package has neither Other.dll nor Other.")
    endpoint.update(name, Handler="Shop.dll")
    assert endpoint.invoke(name, 7).json[0] == 7


def test_a_native_executable_needs_no_dotnet(endpoint: Any) -> None:
    source = f"#!{sys.executable} -S\noptions = None\n{ASSEMBLY}"
    name = endpoint.create(
        files={"shop": source}, modes={"shop": 0o100755}, Runtime="dotnet10", Handler="shop", MemorySize=1769
    )
    answer = endpoint.invoke(name, {"a": 1})
    assert answer.json[:4] == [{"a": 1}, None, "shop", "AWS_Lambda_dotnet10"]
    assert "the function's own native executable" in answer.tail


def test_the_dotnet_of_the_version_goes_first(install: Callable[..., Path], tmp_path: Path) -> None:
    dotnet = install("8.0.22", "10.0.1")
    runtimes = Runtimes(tmp_path / "bootstraps")
    assert runtimes.program("dotnet8").command == (str(dotnet), "exec")
    assert runtimes.program("dotnet10").note == f"{dotnet} (.NET 10.0.1)"
    install("9.0.3", "10.0.1")
    later = Runtimes(tmp_path / "bootstraps").program("dotnet8")
    assert later.command == (str(dotnet), "exec", "--roll-forward", "Major")
    assert later.note == f"{dotnet} (.NET 9.0.3, not 8: this host has none)"


def test_a_host_without_dotnet_is_told_at_once(
    install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotnet = install("8.0.22")
    runtimes = Runtimes(tmp_path / "bootstraps")
    with pytest.raises(
        ApiError, match=r"there is no \.NET 10 or later on this host \(.*/dotnet has 8\.0\.22\)\. Install"
    ):
        runtimes.program("dotnet10")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ApiError, match=r"there is no \.NET 8 or later on this host\. Install the \.NET 8 runtime"):
        runtimes.program("dotnet8")
    monkeypatch.setenv("DOTNET_ROOT", str(dotnet.parent))
    assert runtimes.program("dotnet8").command[0] == str(dotnet)


@pytest.mark.parametrize(
    ("handler", "sentence"),
    [
        ("Shop::Shop.Function::Handle", "is a method of a class library, which"),
        ("Nothing", "names no executable assembly: the package has neither Nothing.dll nor Nothing."),
        ("../Shop", "Handler '../Shop.dll' leads out of the function."),
        ("plain", "Handler 'plain' may not be executed"),
    ],
)
def test_handlers_that_are_refused(endpoint: Any, make_zip: Callable[..., str], handler: str, sentence: str) -> None:
    body = {
        "FunctionName": "refused", "Runtime": "dotnet8", "Handler": handler, "Role": "arn:aws:iam::123456789012:role/x",
        "Code": {"ZipFile": make_zip({"plain": "no program"})},
    }  # fmt: skip
    answer = endpoint.call("POST", "/2015-03-31/functions", body)
    assert (answer.status, answer.error) == (400, "InvalidParameterValueException")
    assert sentence in answer.json["message"]
