"""Code on this machine, zipped and created as a function (on the embedded endpoint)."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from lambdatune.aws.functions import wait_ready
from lambdatune.aws.refusals import refused
from lambdatune.model.code_directory import LEFT_OUT
from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambdatune.aws.access import AwsAccess

_MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""AWS's limit of an unzipped deployment package."""

_ROLE = "arn:aws:iam::000000000000:role/lambdatune-embedded"


def zip_code(path: Path) -> bytes:
    """Return the deployment package of a directory, or the bytes of a zip.

    File times are fixed and modes kept, so that the same code gives the same package.

    Raises:
        UsageError: when `path` is neither a directory with files nor a zip, or is too large.
    """
    if path.is_file():
        if not zipfile.is_zipfile(path):
            raise UsageError(
                f"`{path}` is not a zip: expected a directory or a zip with the function's code",
                hint="give the directory that holds the handler's file",
            )
        return path.read_bytes()
    files = _files(path)
    if not files:
        raise UsageError(f"directory `{path}` holds no files to run", hint="give the directory of the handler")
    total_bytes = sum(file.stat().st_size for file in files)
    if total_bytes > _MAX_UNZIPPED_BYTES:
        raise UsageError(
            f"directory `{path}` holds {total_bytes / 2**20:.0f} MB: AWS takes 250 MB unzipped at the most",
            hint="give the directory that holds only what the function needs",
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(path).as_posix())
            entry.external_attr = (file.stat().st_mode & 0xFFFF) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _files(directory: Path) -> list[Path]:
    """Return the files of a package, in a fixed order."""
    inside = directory.resolve()
    found = []
    for file in sorted(directory.rglob("*")):
        if not file.is_file() or LEFT_OUT.intersection(file.relative_to(directory).parts):
            continue
        if not file.resolve().is_relative_to(inside):
            raise UsageError(
                f"`{file}` leads out of `{directory}`: a package holds only what is in its directory",
                hint="copy the file there, or give the directory that holds both",
            )
        found.append(file)
    return found


async def create_from_path(
    access: AwsAccess, *, name: str, path: Path, runtime: str, handler: str, timeout_s: int
) -> None:
    """Create function `name` from the code at `path`, and wait until it is active.

    Raises:
        UsageError: when the code cannot be packed.
        AwsRefused: when the endpoint refuses it.
    """
    package = zip_code(path)
    client = await access.functions()
    with refused(f"creating function `{name}` from `{path}`"):
        await client.create_function(
            FunctionName=name,
            Runtime=runtime,  # type: ignore[arg-type]  # the endpoint says which runtimes it has
            Handler=handler,
            Role=_ROLE,
            Code={"ZipFile": package},
            Timeout=timeout_s,
            MemorySize=1024,
        )
        await wait_ready(client, name)


async def create_from_image(
    access: AwsAccess, *, name: str, path: Path, entry_point: Sequence[str], timeout_s: int
) -> None:
    """Create function `name` of PackageType Image, for which directory `path` stands in, and wait until it is active.

    Raises:
        AwsRefused: when the endpoint refuses it.
    """
    client = await access.functions()
    with refused(f"creating function `{name}` from `{path}`"):
        await client.create_function(
            FunctionName=name,
            PackageType="Image",
            Role=_ROLE,
            Code={"ImageUri": path.as_uri()},
            ImageConfig={"EntryPoint": list(entry_point)},
            Timeout=timeout_s,
            MemorySize=1024,
        )
        await wait_ready(client, name)
