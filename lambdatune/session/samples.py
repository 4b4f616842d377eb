"""Bundled material: sample functions and run profiles."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import lambdatune
from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.model.plan import FunctionSource

SAMPLE_PREFIX = "sample:"

_SAMPLES = {
    "checkout": ("python3.12", "app.handler"),
    "basket-python": ("python3.12", "basket.handler"),
    "basket-node": ("nodejs20.x", "basket.handler"),
    "basket-java": ("java17", "basket.Basket::handle"),
    "basket-ruby": ("ruby3.3", "basket.handler"),
    "basket-shell": ("provided.al2023", "basket"),
    "lookup-python": ("python3.12", "lookup.handler"),
    "lookup-node": ("nodejs20.x", "lookup.handler"),
    "lookup-java": ("java17", "lookup.Lookup::handle"),
    "lookup-ruby": ("ruby3.3", "lookup.handler"),
    "lookup-shell": ("provided.al2023", "lookup"),
}
"""Sample name to runtime and handler; the code is in ``lambdatune/bundled/functions/<name>``.

``basket`` is one CPU-bound job in several runtimes, ``lookup`` an I/O-bound one.
"""


def sample_names() -> list[str]:
    """Return the bundled functions as a plan names them: ``sample:NAME``."""
    return [f"{SAMPLE_PREFIX}{name}" for name in _SAMPLES]


def find_sample(text: str) -> FunctionSource:
    """Return the bundled function that ``sample:NAME`` names.

    Raises:
        UsageError: when there is none of that name.
    """
    name = text.removeprefix(SAMPLE_PREFIX)
    if name not in _SAMPLES:
        raise UsageError(f"there is no bundled function `{name}`", hint=did_you_mean(name, _SAMPLES))
    runtime, handler = _SAMPLES[name]
    path = Path(str(files("lambdatune.bundled").joinpath("functions", name)))
    return FunctionSource(str(path), is_path=True, runtime=runtime, handler=handler)


def bundled_profiles() -> dict[str, Path]:
    """Return the bundled run profiles by name.

    In a wheel they lie inside the package; in a checkout they are the folder ``profiles/`` beside it.
    """
    package = Path(lambdatune.__file__).parent
    for directory in (package / "bundled" / "profiles", package.parent / "profiles"):
        found = {path.stem: path for path in sorted(directory.glob("*.toml"))}
        if found:
            return found
    return {}
