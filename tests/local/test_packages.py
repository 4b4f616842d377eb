"""Zips are checked before anything of them touches the disk."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from lambdatune.local.errors import ApiError
from lambdatune.local.package import PackageStore

if TYPE_CHECKING:
    from pathlib import Path


def _store(tmp_path: Path) -> PackageStore:
    return PackageStore(tmp_path / "code")


@pytest.mark.parametrize(
    ("files", "modes"),
    [
        ({"../evil.py": "x"}, {}),
        ({"/absolute.py": "x"}, {}),
        ({"a/../../evil.py": "x"}, {}),
        ({"link": "/etc/passwd"}, {"link": 0o120777}),
        ({"link": "../../elsewhere"}, {"link": 0o120777}),
        ({"out": "..", "out/evil.py": "x"}, {"out": 0o120777}),
    ],
)
def test_entries_that_would_leave_the_root(tmp_path: Path, make_zip: Any, files: Any, modes: Any) -> None:
    with pytest.raises(ApiError) as refused:
        _store(tmp_path).add(make_zip(files, modes))
    assert refused.value.code == "InvalidParameterValueException"
    assert list((tmp_path / "code").iterdir()) == []
    assert not (tmp_path / "evil.py").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken"])
def test_not_a_zip(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ApiError, match="Could not unzip uploaded file"):
        _store(tmp_path).add(base64.b64encode(content).decode())


@pytest.mark.parametrize("value", [None, 7, "not base64!"])
def test_no_code(tmp_path: Path, value: object) -> None:
    with pytest.raises(ApiError) as refused:
        _store(tmp_path).add(value)
    assert refused.value.code == "InvalidParameterValueException"


def test_unzipped_size_limit(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big", "w") as entry:
        for _ in range(251):
            entry.write(bytes(1 << 20))
    with pytest.raises(ApiError, match="Unzipped size must be smaller than 262144000 bytes"):
        _store(tmp_path).add(base64.b64encode(buffer.getvalue()).decode())


def test_links_inside_and_permissions_are_kept(tmp_path: Path, make_zip: Any) -> None:
    files = {"run.sh": "#!/bin/sh\n", "lib/real.py": "x = 1\n", "lib/alias.py": "real.py"}
    modes = {"run.sh": 0o100755, "lib/alias.py": 0o120777}
    package = _store(tmp_path).add(make_zip(files, modes))
    assert (package.root / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (package.root / "lib/alias.py").read_text() == "x = 1\n"


def test_packages_go_when_nothing_refers_to_them(tmp_path: Path, make_zip: Any) -> None:
    store = _store(tmp_path)
    package = store.add(make_zip({"app.py": "x = 1"}))
    store.keep_only(set())
    assert package.root.exists()  # held by the request that is creating a function of it
    store.release(package)
    store.keep_only({package.key})
    assert store.find(package.key) is package
    store.keep_only(set())
    assert store.find(package.key) is None
    assert list((tmp_path / "code").iterdir()) == []
