"""What was measured, told by its code and configuration: rows of a function that changed are not added up."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdatune.aws.functions import LATEST

if TYPE_CHECKING:
    from lambdatune.aws.functions import FunctionDescription

CODE_SHA256 = "code_sha256"
CONFIGURATION = "configuration"
"""Keys of run.json's environment: of the function's code as it was measured, and what of its configuration tells in
the times. Values of environment variables may be secret, so that only their names are there."""

OVERRIDDEN = "overridden"
"""Key of run.json's environment: the function's own values of what its clone was given otherwise."""

GENERATOR = "generator"
"""Key of run.json's environment: the host that sent the load, by what times on its clock depend on. Its name is not
there: in CI each run has a host of another name, and a baseline of one that is alike may be compared with."""

_CPUINFO = Path("/proc/cpuinfo")
_MEMBERS = ("Handler", "Timeout", "PackageType", "TracingConfig", "LoggingConfig", "ImageConfigResponse")


def fingerprint_of(found: FunctionDescription) -> dict[str, Any]:
    """Return code and configuration of a function, its memory size left out, as they are kept in run.json."""
    whole = found.configuration
    configuration: dict[str, Any] = {name: whole[name] for name in _MEMBERS if whole.get(name)}
    configuration |= {
        "Runtime": found.runtime,
        "Architecture": found.architecture,
        "EphemeralStorage": found.ephemeral_storage_mb,
        "Layers": [layer.get("Arn") for layer in whole.get("Layers") or ()],
        "SnapStart": (whole.get("SnapStart") or {}).get("ApplyOn", "None"),
        "Subnets": sorted((whole.get("VpcConfig") or {}).get("SubnetIds") or ()),
        "Variables": sorted(found.variables),
    }
    if whole.get("Version", LATEST) != LATEST:
        configuration["Version"] = whole["Version"]
    return {CODE_SHA256: whole.get("CodeSha256"), CONFIGURATION: configuration}


def overridden_of(found: FunctionDescription, measured: FunctionDescription) -> dict[str, Any]:
    """Return what the clone was given in place of what the function has, as it is kept in run.json.

    Args:
        found: the function.
        measured: it as its calls found it.
    """
    own, given = (fingerprint_of(each)[CONFIGURATION] for each in (found, measured))
    differing = {name: own.get(name) for name in given if given[name] != own.get(name)}
    return {OVERRIDDEN: differing} if differing else {}


def generator_host() -> dict[str, Any]:
    """Return what is recorded of this host as the one that sends the load."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()}


def _processor() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def differences_between(recorded: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in which respects a function is not what was measured, in words; what was not recorded is not compared.

    Args:
        recorded: run.json's environment.
        now: the fingerprint of the function.
    """
    found = []
    code = recorded.get(CODE_SHA256)
    if code is not None and code != now[CODE_SHA256]:
        found.append("the function's code was changed")
    before, after = recorded.get(CONFIGURATION) or {}, now[CONFIGURATION]
    names = sorted(before.keys() | after.keys()) if before else []
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [*found, *(f"its {name} was {_told(before.get(name))}, and is {_told(after.get(name))}" for name in changed)]


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
