"""Names, packages and journaled places of functions."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.aws.access import is_loopback
from lambdatune.aws.deploy import zip_code
from lambdatune.aws.functions import split_function_name
from lambdatune.aws.marks import clone_name
from lambdatune.model.errors import UsageError

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop"


@pytest.mark.parametrize(
    ("text", "name", "qualifier"),
    [
        ("shop", "shop", None),
        ("shop:live", "shop", "live"),
        ("shop:$LATEST", "shop", "$LATEST"),
        (ARN, ARN, None),
        (f"{ARN}:7", ARN, "7"),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:shop:live",
         "arn:aws-cn:lambda:cn-north-1:123456789012:function:shop", "live"),
    ],
)  # fmt: skip
def test_a_function_is_named_by_name_or_arn_with_or_without_qualifier(text, name, qualifier) -> None:
    assert split_function_name(text) == (name, qualifier)


@pytest.mark.parametrize("text", ["", "a b", "./shop", "arn:aws:s3:::bucket", "x" * 65, "shop:live:7"])
def test_what_cannot_be_a_function_is_refused(text) -> None:
    with pytest.raises(UsageError, match="neither the name nor the ARN"):
        split_function_name(text)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_a_clone_has_a_valid_name_that_ends_with_the_run(source) -> None:
    name = clone_name(source, "20261123-151200-a1b2")
    assert len(name) <= 64
    assert name.startswith("lambdatune-")
    assert name.endswith("-20261123-151200-a1b2")
    assert split_function_name(name) == (name, None)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:9001", True),
        ("http://localhost:4566", True),
        ("http://[::1]:9001", True),
        ("http://127.8.9.10", True),
        ("https://lambda.eu-central-1.amazonaws.com", False),
        ("http://192.168.1.7:9001", False),
        ("http://127.0.0.1.example.com", False),
        (None, False),
    ],
)
def test_only_loopback_gets_the_stand_in_credential(url, loopback) -> None:
    assert is_loopback(url) is loopback


def test_the_same_code_gives_the_same_package_whatever_its_times(tmp_path) -> None:
    (tmp_path / "app.py").write_text("x = 1\n")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.pyc").write_bytes(b"old")
    first = zip_code(tmp_path)
    (tmp_path / "app.py").touch()
    assert zip_code(tmp_path) == first
    assert zipfile.ZipFile(io.BytesIO(first)).namelist() == ["app.py"]


def test_an_executable_stays_one_in_the_package(tmp_path) -> None:
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    (tmp_path / "bootstrap").chmod(0o755)
    (entry,) = zipfile.ZipFile(io.BytesIO(zip_code(tmp_path))).infolist()
    assert (entry.external_attr >> 16) & 0o111 == 0o111


def test_a_link_that_leads_out_of_the_directory_is_refused(tmp_path) -> None:
    (tmp_path / "secret.txt").write_text("not part of the function")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("x = 1\n")
    (tmp_path / "code" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UsageError, match=r"link.txt` leads out of"):
        zip_code(tmp_path / "code")


@pytest.mark.parametrize(("make", "said"), [("empty", "holds no files"), ("text", "is not a zip")])
def test_what_holds_no_code_is_refused(tmp_path, make, said) -> None:
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    else:
        path.write_text("hello")
    with pytest.raises(UsageError, match=said):
        zip_code(path)
