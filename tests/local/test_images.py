"""Functions of PackageType Image: a directory stands in for the image, its entry point speaks the Runtime API."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from lambdatune.local.errors import ApiError
from lambdatune.local.image import ImageConfig, Source, copy_image, parse_uri
from lambdatune.local.package import PackageStore
from lambdatune.local.runtime_image import find

APP = """\
import json, os, sys, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as answer:
        event, request_id = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    with open(os.environ["LAMBDA_TASK_ROOT"] + "/data/word") as word:
        result = {"event": event, "arguments": sys.argv[1:], "cwd": os.getcwd(), "word": word.read(),
                  "environment": dict(os.environ)}
    print("handling")
    sys.stdout.flush()
    urllib.request.urlopen(api + request_id + "/response", json.dumps(result).encode()).close()
"""
ROLE = "arn:aws:iam::123456789012:role/lambda"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A directory with an app, a script that starts it, and links that stay inside."""
    root = tmp_path / "the image"
    (root / "data").mkdir(parents=True)
    (root / "data" / "word").write_text("first")
    (root / "app.py").write_text(APP)
    (root / "start.sh").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$LAMBDA_TASK_ROOT/app.py" from-script "$@"\n')
    (root / "start.sh").chmod(0o755)
    (root / "absolute").symlink_to(root / "data")
    return root


def _create(endpoint: Any, uri: str, config: dict[str, Any], **members: Any) -> Any:
    name = f"f-{uuid.uuid4().hex[:12]}"
    body = {
        "FunctionName": name, "Role": ROLE, "PackageType": "Image", "Code": {"ImageUri": uri}, "ImageConfig": config,
        "MemorySize": 1769, **members,
    }  # fmt: skip
    answer = endpoint.call("POST", "/2015-03-31/functions", body)
    if answer.status == 201:
        endpoint.wait(name)
    return answer


def test_an_entry_point_of_the_host_runs_in_the_directory(endpoint: Any, image: Path) -> None:
    config = {"EntryPoint": ["python3", "-S", "app.py"], "Command": ["app.handler"]}
    made = _create(endpoint, image.as_uri(), config).json
    assert (made["PackageType"], made["ImageConfigResponse"], made["CodeSize"]) == ("Image", {"ImageConfig": config}, 0)
    assert not made.keys() & {"Runtime", "Handler"}
    answer = endpoint.invoke(made["FunctionName"], {"a": 1})
    found = answer.json
    assert (found["event"], found["arguments"], found["word"]) == ({"a": 1}, ["app.handler"], "first")
    assert found["cwd"] == found["environment"]["LAMBDA_TASK_ROOT"]
    assert not found["environment"].keys() & {"_HANDLER", "AWS_EXECUTION_ENV", "HOME", "USER"}
    assert "handling\n" in answer.tail
    assert "INIT_START Runtime Version: image\tRuntime Version ARN: entry point /" in answer.tail
    assert answer.report.init_ms is not None
    assert endpoint.host()["runtimes"]["image"].startswith("entry point /")


def test_a_copy_of_the_image_is_what_it_was_when_the_function_was_made(endpoint: Any, image: Path) -> None:
    config = {"EntryPoint": ["/start.sh"], "WorkingDirectory": "/data"}
    source = _create(endpoint, image.as_uri(), config).json
    code = endpoint.call("GET", f"/2015-03-31/functions/{source['FunctionName']}").json["Code"]
    assert code["ImageUri"] == image.as_uri()
    assert code["ResolvedImageUri"] == f"{image.as_uri()}@sha256:{source['CodeSha256']}"
    (image / "data" / "word").write_text("second")
    copy = _create(endpoint, code["ResolvedImageUri"], config).json
    assert copy["CodeSha256"] == source["CodeSha256"]
    found = endpoint.invoke(copy["FunctionName"]).json
    assert (found["word"], found["arguments"]) == ("first", ["from-script"])
    assert found["cwd"] == f"{found['environment']['LAMBDA_TASK_ROOT']}/data"
    path = f"/2015-03-31/functions/{copy['FunctionName']}/code"
    assert endpoint.call("PUT", path, {"ImageUri": image.as_uri()}).status == 200
    endpoint.wait(copy["FunctionName"])
    assert endpoint.invoke(copy["FunctionName"]).json["word"] == "second"
    endpoint.update(copy["FunctionName"], ImageConfig={"EntryPoint": ["/later.sh"]})
    missing = endpoint.invoke(copy["FunctionName"]).json
    assert missing["errorType"] == "Runtime.InvalidEntrypoint"
    assert "EntryPoint '/later.sh' is no file of the image." in missing["errorMessage"]
    endpoint.update(copy["FunctionName"], ImageConfig={"EntryPoint": ["/start.sh"], "Command": ["now"]})
    assert endpoint.invoke(copy["FunctionName"]).json["arguments"] == ["from-script", "now"]


def test_an_image_may_have_the_entry_point_of_awss_own(endpoint: Any, image: Path) -> None:
    (image / "start.sh").rename(image / "lambda-entrypoint.sh")
    made = _create(endpoint, str(image), {"Command": ["app.handler"]}).json
    assert endpoint.invoke(made["FunctionName"]).json["arguments"] == ["from-script", "app.handler"]


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"Code": {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop:1"}}, "runs no containers"),
        ({"Code": {"ImageUri": "file:///nowhere/at/all"}}, "there is no such directory"),
        ({"Code": {"ImageUri": "file://elsewhere/image"}}, "runs no containers"),
        ({"Code": {"ZipFile": "UEsFBgAA"}}, "ZipFile is not for a function of PackageType Image; send ImageUri."),
        ({"Code": {}}, "Please provide a source for function code: ImageUri"),
        ({"Runtime": "python3.12"}, "Runtime is not for a function of PackageType Image"),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "Container images are not supported for SnapStart"),
        ({"PackageType": "Tar"}, "[Zip, Image]"),
        ({"PackageType": "Zip", "Runtime": "python3.12", "Handler": "a.b"}, "ImageConfig is not for a function of"),
        ({"ImageConfig": {"EntryPoint": "python"}}, "Member must be a list of strings"),
        ({"ImageConfig": {"EntryPoint": [""]}}, "must not begin with an empty string"),
        ({"ImageConfig": []}, "Start of structure or map found"),
        ({"ImageConfig": {}}, "ImageConfig needs an EntryPoint"),
        ({"ImageConfig": {"EntryPoint": ["pythn3"]}}, "no program 'pythn3', the EntryPoint, on the PATH"),
    ],
)
def test_what_is_no_image_is_told_at_once(endpoint: Any, image: Path, members: dict[str, Any], sentence: str) -> None:
    config = {"EntryPoint": ["/start.sh"]}
    answer = _create(endpoint, image.as_uri(), config, **members)
    assert answer.status == 400
    assert sentence in answer.json["message"]


def test_an_entry_point_that_the_kernel_refuses(endpoint: Any, image: Path) -> None:
    (image / "start.sh").write_text("#!/nowhere/at/all\n")
    made = _create(endpoint, image.as_uri(), {"EntryPoint": ["/start.sh"]}).json
    answer = endpoint.invoke(made["FunctionName"])
    assert answer.json["errorType"] == "Runtime.InvalidEntrypoint"
    assert answer.json["errorMessage"].endswith("fork/exec /start.sh: no such file or directory")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (ImageConfig(("../outside",)), "EntryPoint '../outside' leads out of the function."),
        (ImageConfig(("/../../outside",)), "EntryPoint '/../../outside' leads out of the function."),
        (ImageConfig(("/bin/sh",)), "A program of this host is given by its name alone"),
        (ImageConfig(("./app.py",)), "EntryPoint './app.py' may not be executed"),
        (ImageConfig(("start.sh",)), "Its file of that name is ./start.sh."),
        (ImageConfig(("sh",), working_directory="/.."), "WorkingDirectory '/..' leads out of the function."),
        (ImageConfig(("sh",), working_directory="app.py"), "WorkingDirectory 'app.py' is no directory of the image."),
        (ImageConfig(("printenvv",)), "Did you mean printenv?"),
    ],
)
def test_entry_points_that_are_refused(image: Path, config: ImageConfig, sentence: str) -> None:
    outside = image.parent / "outside"
    outside.write_text("#!/bin/sh\n")
    outside.chmod(0o755)
    with pytest.raises(ApiError) as refused:
        find(config, image)
    assert sentence in refused.value.message


def _outward(image: Path) -> None:
    (image / "out").symlink_to("/etc/passwd")


def _outward_by_steps(image: Path) -> None:
    (image / "data" / "out").symlink_to("../../")


def _loop(image: Path) -> None:
    (image / "loop").symlink_to("loop")


def _pipe(image: Path) -> None:
    os.mkfifo(image / "pipe")


def _empty(image: Path) -> None:
    shutil.rmtree(image)
    (image / "data").mkdir(parents=True)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_outward, "link out leads out of it, to /etc/passwd"),
        (_outward_by_steps, "link data/out leads out of it"),
        (_loop, "link loop leads nowhere"),
        (_pipe, "pipe is neither a file nor a directory"),
        (_empty, "it holds no files"),
    ],
)
def test_directories_that_are_refused(tmp_path: Path, image: Path, spoil: Any, sentence: str) -> None:
    spoil(image)
    store = PackageStore(tmp_path / "code")
    with pytest.raises(ApiError) as refused:
        store.add_image(Source(image, None))
    assert refused.value.code == "InvalidParameterValueException"
    assert refused.value.message.startswith(
        f"Source image {image.as_uri()} is not valid. Provide a valid source image: "
    )
    assert sentence in refused.value.message
    assert list((tmp_path / "code").iterdir()) == []


def test_a_directory_that_is_too_large(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdatune.local.image.MAX_BYTES", 1_000)
    with (image / "big").open("wb") as big:
        big.truncate(1_000_000)
    with pytest.raises(ApiError, match="it holds more than"):
        copy_image(Source(image, None), tmp_path / "copy")
    monkeypatch.setattr("lambdatune.local.image.MAX_ENTRIES", 2)
    with pytest.raises(ApiError, match="more than 2 entries"):
        copy_image(Source(image, None), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_has_links_modes_and_a_digest_of_its_content(tmp_path: Path, image: Path) -> None:
    (image / ".git").mkdir()
    first, size = copy_image(Source(image, None), tmp_path / "one")
    assert size == sum(path.stat().st_size for path in image.rglob("*") if path.is_file() and not path.is_symlink())
    assert (tmp_path / "one" / "absolute" / "word").read_text() == "first"
    assert (tmp_path / "one" / "absolute").readlink() == Path("data")
    assert os.access(tmp_path / "one" / "start.sh", os.X_OK)
    assert not (tmp_path / "one" / ".git").exists()
    assert copy_image(Source(image, None), tmp_path / "two") == (first, size)
    (image / "start.sh").chmod(0o644)
    assert copy_image(Source(image, None), tmp_path / "three")[0] != first


def test_a_digest_names_what_was_copied(tmp_path: Path, image: Path) -> None:
    store = PackageStore(tmp_path / "code")
    package = store.add_image(parse_uri(image.as_uri()))
    assert store.add_image(parse_uri(image.as_uri())) is package
    assert package.image is not None
    resolved = package.image.resolved(package.sha256)
    (image / "app.py").write_text("changed")
    assert store.add_image(parse_uri(resolved)) is package
    for _ in range(3):
        store.release(package)
    store.keep_only(set())
    assert list((tmp_path / "code").iterdir()) == []
    with pytest.raises(ApiError, match="the directory is not what it was"):
        store.add_image(parse_uri(resolved))
    assert list((tmp_path / "code").iterdir()) == []


def test_an_image_is_no_download(endpoint: Any, image: Path) -> None:
    made = _create(endpoint, image.as_uri(), {"EntryPoint": ["/start.sh"]}).json
    assert "Location" not in endpoint.call("GET", f"/2015-03-31/functions/{made['FunctionName']}").json["Code"]
    zip_file = base64.b64encode(json.dumps({}).encode()).decode()
    refused = endpoint.call("PUT", f"/2015-03-31/functions/{made['FunctionName']}/code", {"ZipFile": zip_file})
    assert (refused.status, "send ImageUri" in refused.json["message"]) == (400, True)
