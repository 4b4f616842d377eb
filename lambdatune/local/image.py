"""Container images: a directory of this machine stands in for one, and is copied as it is when it is given.

Its URI is that of the directory, ``file:///home/me/shop``; the resolved one has the digest of what was copied behind
it, ``file:///home/me/shop@sha256:...``, and names that copy for as long as a version has it, whatever becomes of the
directory.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from lambdatune.local.errors import ApiError, invalid
from lambdatune.model.code_directory import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 30
"""Largest directory: AWS takes 10 GB, but here each is copied to the disk of this machine."""
MAX_ENTRIES = 100_000

_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """ImageConfig of a function.

    Attributes:
        entry_point: program and arguments.
        command: further arguments.
        working_directory: where the program starts; empty for the directory itself.
    """

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""

    def to_api(self) -> dict[str, Any]:
        """Return the API's ImageConfig: of its members those that were given."""
        members = {
            "EntryPoint": list(self.entry_point),
            "Command": list(self.command),
            "WorkingDirectory": self.working_directory,
        }
        return {name: value for name, value in members.items() if value}


@dataclass(frozen=True, slots=True)
class Source:
    """A directory that is given as an image.

    Attributes:
        path: the directory.
        digest: hex SHA-256 of the copy that is meant; None for the directory as it is now.
    """

    path: Path
    digest: str | None

    @property
    def uri(self) -> str:
        """ImageUri without a digest."""
        return self.path.as_uri()

    def resolved(self, digest: str) -> str:
        """Return ResolvedImageUri."""
        return f"{self.uri}@sha256:{digest}"


def parse_uri(value: object) -> Source:
    """Read an ImageUri.

    Raises:
        ApiError: InvalidParameterValueException when it is not that of a directory.
    """
    if not isinstance(value, str) or not value:
        raise invalid("Please provide a source for function code: ImageUri, for a function of PackageType Image.")
    match = _DIGEST.search(value)
    bare = value[: match.start()] if match else value
    if bare.startswith("/"):
        path = Path(bare)
    else:
        parts = urlsplit(bare)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise no_image(value, "the embedded lambdatune endpoint runs no containers; a directory of this machine "
                           "stands in for the image, as file:///path/to/directory")  # fmt: skip
        path = Path(os.fsdecode(unquote_to_bytes(parts.path)))
    if "\0" in str(path):
        raise no_image(value, "it names no path")
    return Source(Path(os.path.normpath(path)), match[1] if match else None)


def no_image(uri: str, reason: str) -> ApiError:
    """Return the refusal of an ImageUri, which begins as AWS's does."""
    return invalid(f"Source image {uri} is not valid. Provide a valid source image: {reason}.")


def copy_image(source: Source, target: Path) -> tuple[str, int]:
    """Copy the directory of an image to `target`, which does not exist yet.

    Files keep their modes, links that stay inside are kept; times and owners are not.

    Returns:
        the hex SHA-256 of what was copied, and its size in bytes.

    Raises:
        ApiError: InvalidParameterValueException when there is no such directory, when something leads out of it, or is
            no file, or when it is too large; nothing is left at `target` then.
    """
    try:
        if not source.path.is_dir():
            raise no_image(source.uri, "there is no such directory")
        target.mkdir()
        return _copy(source, source.path.resolve(), target)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise no_image(source.uri, f"{error.filename or source.path}: {error.strerror or error}") from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _copy(source: Source, root: Path, target: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    total = 0
    for count, path in enumerate(_entries(root)):
        if count >= MAX_ENTRIES:
            raise no_image(source.uri, f"it holds more than {MAX_ENTRIES:,} entries")
        name = path.relative_to(root)
        mode = path.lstat().st_mode
        copied = target / name
        if stat.S_ISLNK(mode):
            link = _link(source, path, root)
            copied.symlink_to(link)
            told, content = f"link {link}", b""
        elif stat.S_ISDIR(mode):
            copied.mkdir()
            told, content = "directory", b""
        elif stat.S_ISREG(mode):
            size, content = _copy_file(path, copied, MAX_BYTES - total)
            total += size
            if total > MAX_BYTES:
                raise no_image(source.uri, f"it holds more than {MAX_BYTES >> 20} MB")
            told = f"file {copied.stat().st_mode & 0o777:o} {size}"
        else:
            raise no_image(source.uri, f"{name} is neither a file nor a directory")
        digest.update(os.fsencode(f"{name}\0{told}\0") + content)
    if not any(path.is_file() for path in target.rglob("*")):
        raise no_image(source.uri, "it holds no files")
    return digest.hexdigest(), total


def _entries(directory: Path) -> Iterator[Path]:
    """Yield what is in a directory, at all depths, in a fixed order; a directory before what is in it."""
    for path in sorted(directory.iterdir()):
        is_directory = path.is_dir() and not path.is_symlink()
        if is_directory and path.name in LEFT_OUT:
            continue
        yield path
        if is_directory:
            yield from _entries(path)


def _copy_file(path: Path, copied: Path, most: int) -> tuple[int, bytes]:
    """Copy a file, or its beginning when it has more than `most` bytes; return how many, and their digest."""
    digest = hashlib.sha256()
    size = 0
    # What was a file when it was looked at may have become a link or a pipe since.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as read:
        found = os.fstat(read.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "is no file any more", str(path))
        with copied.open("wb") as written:
            while size <= most and (chunk := read.read(_CHUNK)):
                size += len(chunk)
                digest.update(chunk)
                written.write(chunk)
    copied.chmod((found.st_mode & 0o755) | 0o400)
    return size, digest.digest()


def _link(source: Source, path: Path, root: Path) -> str:
    """Return what the copy of a link points to: a path relative to it, whatever the link itself has."""
    try:
        destination = path.resolve()
    except (OSError, RuntimeError) as error:
        raise no_image(source.uri, f"link {path.relative_to(root)} leads nowhere") from error
    if not destination.is_relative_to(root):
        raise no_image(source.uri, f"link {path.relative_to(root)} leads out of it, to {destination}")
    return os.path.relpath(destination, path.parent)
