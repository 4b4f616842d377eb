"""Run profiles: a plan in a TOML file, read and written."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdatune.model.errors import UsageError, nearest
from lambdatune.session.samples import bundled_profiles
from lambdatune.session.setting_table import (
    GATE_SETTINGS,
    REPORT_SETTINGS,
    SETTINGS,
    Given,
    check_key,
    check_kind,
    check_name,
)
from lambdatune.session.settings import is_code

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAN = {setting.name for setting in SETTINGS}
_REPORTS = {setting.name for setting in REPORT_SETTINGS}
_GATE = {setting.name for setting in GATE_SETTINGS}


def read_profile(text: str) -> dict[str, Given]:
    """Return the settings of the plan in a profile: a path to a TOML file, or the name of a bundled one.

    Raises:
        UsageError: naming the file, the key, what was expected and the nearest valid key.
    """
    return {name: given for name, given in _read(text).items() if name in _PLAN}


def read_reports(text: str) -> dict[str, Given]:
    """Return which reports a profile asks for, by format; relative paths are relative to the current directory.

    Raises:
        UsageError: as `read_profile`.
    """
    here = Path.cwd()
    return {name: replace(given, directory=here) for name, given in _read(text).items() if name in _REPORTS}


def read_gate(text: str) -> dict[str, Given]:
    """Return what a profile says of the run that its runs are held against.

    Raises:
        UsageError: as `read_profile`.
    """
    return {name: given for name, given in _read(text).items() if name in _GATE}


def _read(text: str) -> dict[str, Given]:
    path = _find(text)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"profile `{path}` cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"profile `{path}` is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"profile `{path}` is not TOML: {error}", hint='texts need quotes: memory = "128-3008"'
        ) from error
    given: dict[str, Given] = {}
    for key, value in document.items():
        check_key(key, f"profile `{path}`")
        origin = f"profile `{path}`, key `{key}`"
        given[key] = Given(check_kind(key, value, origin), origin, path.parent)
    return given


def save_profile(path: Path, values: Mapping[str, Any], directory: Path | None = None) -> None:
    """Write settings as a run profile, from which `read_profile` gets the same plan; no file is overwritten.

    Args:
        path: of the new file.
        values: settings by name, with values as in a profile.
        directory: that relative paths in `values` are relative to; the current one without it. In the file they are
            absolute, so that they stay right wherever it is.

    Raises:
        UsageError: naming the setting that cannot be written, or why the file cannot be.
    """
    given = {}
    for name, value in values.items():
        check_name(name, "settings")
        given[name] = Given(check_kind(name, value, name), name, directory or Path.cwd())
    placed = placed_values(given)
    names = [setting.name for setting in SETTINGS if setting.name in placed]
    lines = ["# A run profile of lambdatune: `lambdatune run` and `lambdatune tui` take its path.", ""]
    text = "\n".join([*lines, *(f"{name} = {_toml(placed[name], name)}" for name in names)]) + "\n"
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"`{path}` exists already", hint="type another name") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"`{path}` cannot be written: {why}", hint="type another path") from error


def placed_values(given: Mapping[str, Given]) -> dict[str, Any]:
    """Return the values of settings, with paths that do not depend on a directory."""
    values = {name: setting.value for name, setting in given.items()}
    if "function" in given and is_code(given["function"]):
        values["function"] = str((given["function"].directory / given["function"].value).resolve())
    if "payload" in given:
        directory = given["payload"].directory.absolute()
        values["payload"] = [
            f"@{directory / text[1:]}" if text.startswith("@") else text for text in given["payload"].value
        ]
    return values


_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')


def _toml(value: Any, name: str) -> str:
    """Return a value in TOML 1.0; texts are basic strings on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item, name) for item in value)}]"
    if not isinstance(value, str):
        return repr(value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{name}: `{value!a}` is not UTF-8 text, which a profile is",
            hint="use a path or text of letters",
            setting=name,
        ) from error
    escaped = _ESCAPED.sub(lambda match: _escape(match[0]), value)
    return f'"{escaped}"'


def _escape(character: str) -> str:
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"


def _find(text: str) -> Path:
    path = Path(text)
    if path.suffix == ".toml" or path.is_file():
        if path.is_file():
            return path
        raise UsageError(f"profile `{text}` does not exist", hint=_choices(path.stem))
    bundled = bundled_profiles()
    if text not in bundled:
        raise UsageError(f"profile `{text}` is neither a TOML file nor a bundled profile", hint=_choices(text))
    return bundled[text]


def _choices(text: str) -> str:
    bundled = bundled_profiles()
    match = nearest(text, bundled)
    return f"did you mean the bundled profile {match}?" if match else f"bundled profiles: {', '.join(bundled)}"
