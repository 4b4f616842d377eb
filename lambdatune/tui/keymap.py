"""Keys of one's own: keymap.toml in the user's configuration directory, name to key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from lambdatune.model.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def keymap_path() -> Path:
    """Return the file of the user's keys, whether it exists or not."""
    return Path(platformdirs.user_config_dir("lambdatune", appauthor=False)) / "keymap.toml"


def read_keymap(path: Path, known: Iterable[str]) -> Mapping[str, str]:
    """Return the keys of the user by the name of what they do; none without a file.

    Args:
        path: the file.
        known: names that exist.

    Raises:
        UsageError: when the file cannot be read, a name is not known, or a key is not text.
    """
    if not path.is_file():
        return {}
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"keymap `{path}` cannot be read: {error}", hint='a line is \'"what-if.percentile" = "n"\''
        ) from error
    names = list(known)
    for name, key in entries.items():
        if name not in names:
            raise UsageError(f"keymap `{path}` has no action `{name}` to give a key to", hint=did_you_mean(name, names))
        if not isinstance(key, str) or not key:
            raise UsageError(
                f"keymap `{path}`: the key of `{name}` is {key!r}: expected text", hint='for example "n" or "ctrl+n"'
            )
    return entries
