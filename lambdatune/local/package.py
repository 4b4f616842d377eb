"""Deployment packages: a zip is checked, kept for download, and unpacked once; an image's directory is copied."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import shutil
import stat
import uuid
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lambdatune.local.errors import ApiError, invalid
from lambdatune.local.image import Source, copy_image, no_image

MAX_UNZIPPED_BYTES = 262_144_000
"""250 MB (AWS docs, "Lambda quotas")."""

MAX_ZIPPED_BYTES = 52_428_800
"""50 MB for direct upload (AWS docs, "Lambda quotas")."""

_UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."


@dataclass(frozen=True, slots=True)
class Package:
    """One deployment package on disk.

    Attributes:
        sha256: SHA-256 as CodeSha256 has it: in base64 of the zip, in hex of an image.
        size: bytes of the zip; 0 for an image, as on AWS.
        archive: the zip; None for an image.
        root: the directory it was unpacked or copied to (LAMBDA_TASK_ROOT).
        image: the directory that stands in for the image; None for a zip.
    """

    sha256: str
    size: int
    archive: Path | None
    root: Path
    image: Source | None = None

    @property
    def key(self) -> str:
        """Name of the package in file names and URLs."""
        return self.root.name


class PackageStore:
    """Packages by content, below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._packages: dict[str, Package] = {}
        self._held: Counter[str] = Counter()
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, zip_file_base64: object) -> Package:
        """Check, keep and unpack the ZipFile member of a request; held until `release`.

        Raises:
            ApiError: InvalidParameterValueException when it is not a zip that can be unpacked safely;
                RequestEntityTooLargeException when it is over 50 MB.
        """
        if not isinstance(zip_file_base64, str):
            raise invalid("Please provide a source for function code.")
        try:
            content = base64.b64decode(zip_file_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(_UNREADABLE) from error
        if len(content) > MAX_ZIPPED_BYTES:
            message = f"Request must be smaller than {MAX_ZIPPED_BYTES} bytes for the CreateFunction operation"
            raise ApiError("RequestEntityTooLargeException", message, 413)
        digest = hashlib.sha256(content)
        key = digest.hexdigest()[:32]
        if key not in self._packages:
            archive, root = self._directory / f"{key}.zip", self._directory / key
            _unpack(content, root)
            archive.write_bytes(content)
            sha256 = base64.b64encode(digest.digest()).decode()
            self._packages[key] = Package(sha256, len(content), archive, root)
        self._held[key] += 1
        return self._packages[key]

    def add_image(self, source: Source) -> Package:
        """Copy the directory of an image, unless its digest names a copy that is there; held until `release`.

        Raises:
            ApiError: InvalidParameterValueException when it cannot be copied, or is not what its digest says.
        """
        key = _image_key(source, source.digest) if source.digest else ""
        if key not in self._packages:
            copied = self._directory / f"new-{uuid.uuid4().hex}"
            digest, _ = copy_image(source, copied)
            key = _image_key(source, digest)
            root = self._directory / key
            if source.digest not in {None, digest} or key in self._packages:
                shutil.rmtree(copied)
            else:
                copied.rename(root)
                self._packages[key] = Package(digest, 0, None, root, Source(source.path, digest))
            if source.digest not in {None, digest}:
                raise no_image(source.resolved(str(source.digest)), "the directory is not what it was")
        self._held[key] += 1
        return self._packages[key]

    def release(self, package: Package) -> None:
        """Let go of a package that `add` returned; from now on only versions keep it."""
        self._held[package.key] -= 1

    def find(self, key: str) -> Package | None:
        """Return the package of a key."""
        return self._packages.get(key)

    def keep_only(self, keys: set[str]) -> None:
        """Remove the packages that no version refers to."""
        for key in set(self._packages) - keys - set(+self._held):
            package = self._packages.pop(key)
            if package.archive is not None:
                package.archive.unlink(missing_ok=True)
            shutil.rmtree(package.root, ignore_errors=True)


def _image_key(source: Source, digest: str) -> str:
    return hashlib.sha256(source.resolved(digest).encode()).hexdigest()[:32]


def _unpack(content: bytes, root: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check(members)
            root.mkdir()
            try:
                for member in members:
                    _write(archive, member, root)
            except BaseException:
                shutil.rmtree(root, ignore_errors=True)
                raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise invalid(_UNREADABLE) from error


def _check(members: list[zipfile.ZipInfo]) -> None:
    if not any(not member.is_dir() for member in members):
        raise invalid("Uploaded file must be a non-empty zip")
    total = 0
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\x00" in member.filename or ":" in path.parts[:1]:
            raise invalid(f"{_UNREADABLE} Entry '{member.filename}' would be unpacked outside of the function.")
        total += member.file_size
    if total > MAX_UNZIPPED_BYTES:
        raise invalid(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path) -> None:
    target = root / member.filename
    mode = member.external_attr >> 16
    # Parents that are links would carry an entry out of the root; links are only made inside, so resolve and check.
    if not (target.parent.resolve() == root.resolve() or root.resolve() in target.parent.resolve().parents):
        raise invalid(f"{_UNREADABLE} Entry '{member.filename}' would be unpacked outside of the function.")
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        _link(archive.read(member).decode(), target, root)
        return
    if target.is_symlink():
        target.unlink()
    remaining = member.file_size
    with archive.open(member) as source, target.open("wb") as sink:
        while chunk := source.read(1 << 20):
            remaining -= len(chunk)
            if remaining < 0:
                raise invalid(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
            sink.write(chunk)
    # Permissions decide whether a bootstrap can be executed; group and others never write.
    target.chmod((mode & 0o755) | 0o400 if mode else 0o644)


def _link(text: str, target: Path, root: Path) -> None:
    destination = (target.parent / text).resolve()
    if root.resolve() not in (destination, *destination.parents):
        raise invalid(f"{_UNREADABLE} Link '{target.name}' points outside of the function.")
    target.symlink_to(text)
