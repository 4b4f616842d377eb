"""Run profiles: a plan in a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from lambdatune.model.errors import UsageError, nearest
from lambdatune.session.samples import bundled_profiles
from lambdatune.session.setting_table import Given, check_kind, check_name


def read_profile(text: str) -> dict[str, Given]:
    """Return the settings of a profile: a path to a TOML file, or the name of a bundled one.

    Raises:
        UsageError: naming the file, the key, what was expected and the nearest valid key.
    """
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
        check_name(key, f"profile `{path}`")
        origin = f"profile `{path}`, key `{key}`"
        given[key] = Given(check_kind(key, value, origin), origin, path.parent)
    return given


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
