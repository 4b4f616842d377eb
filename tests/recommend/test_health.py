"""Warnings say what is wrong, what it means and which option mends it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lambdatune.cli.commands.run import command
from lambdatune.recommend.health import warnings


@pytest.fixture
def warned(plan_for, evidence_for, make_rows):
    """Return the warnings on three sizes whose calls took the times of `times(index)`."""

    def make(times, *, on_aws=False, **rest):
        plan = plan_for(**rest)
        evidence = evidence_for(plan)
        for index, cell in enumerate(evidence):
            cell.add(make_rows(times(index)))
        return warnings(evidence, plan, on_aws=on_aws)

    return make


def steady(seed: int = 1, calls: int = 120, sigma: float = 0.1):
    rng = np.random.default_rng(seed)
    return lambda index: 50 / (index + 1) * np.exp(sigma * rng.standard_normal(calls))


def test_steady_calls_have_no_warning(warned) -> None:
    assert sum(len(warned(steady(seed))) for seed in range(60)) <= 1


def test_drift_is_told_with_its_size(warned) -> None:
    calm = steady()
    (note,) = warned(lambda index: calm(index) * np.linspace(1, 1.4, 120))
    assert re.match(r"drift: calls became \d\d% slower while the run went on", note)


def test_slow_first_calls_are_a_warm_up(warned) -> None:
    calm = steady()
    (note,) = warned(lambda index: calm(index) * np.where(np.arange(120) < 5, 1.6, 1.0))
    assert note.startswith("warm-up: the first 5 warm calls of a size took")


def test_two_kinds_of_call_are_named_with_their_sizes(warned) -> None:
    rng = np.random.default_rng(2)
    calm = steady(sigma=0.03)
    (note,) = warned(lambda index: calm(index) * (rng.choice([1.0, 2.5], 120) if index == 1 else 1.0))
    assert re.match(r"two groups of calls at 512 MB \(\d\d% around 2\d\.\d ms, \d\d% around 6\d\.\d ms\)", note)


def test_the_assumption_that_rows_cannot_check_is_stated(warned) -> None:
    (note,) = warned(steady(), on_aws=True)
    assert note.startswith("few environments: calls are taken as independent, but about one environment")
    assert warned(steady(), on_aws=True, concurrency=10) == []
    assert warned(steady(), on_aws=False) == [], "an embedded endpoint has one host"


def test_each_warning_names_an_option_that_exists(warned) -> None:
    rng = np.random.default_rng(3)
    calm = steady(sigma=0.02)
    odd = np.linspace(1, 2, 120) * np.where(np.arange(120) < 5, 3, 1) * rng.choice([1.0, 8.0], 120, p=[0.7, 0.3])
    notes = warned(lambda index: calm(index) * odd, on_aws=True)
    notes += warned(lambda index: calm(index) * np.where(np.arange(120) < 5, 1.6, 1.0))
    notes += warned(lambda index: calm(index) * np.linspace(1, 1.4, 120))
    options = {option for parameter in command.params for option in parameter.opts}
    assert len({note.split(":")[0].split(" at ")[0] for note in notes}) == 4
    for note in notes:
        named = re.findall(r"--[a-z-]+", note)
        assert named, note
        assert set(named) <= options
