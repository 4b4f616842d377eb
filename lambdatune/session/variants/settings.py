"""Variants: named sets of settings, each laid over the same plan."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.session.mode_settings import MODE_SETTINGS
from lambdatune.session.settings import build_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.session.setting_table import Given
    from lambdatune.session.variant_table import VariantTable

OF_A_VARIANT = (
    "function", "runtime", "handler", "entry-point", "timeout", "memory", "mode", *MODE_SETTINGS,
    "architecture", "snap-start", "provisioned-concurrency", "isolation", "payload", "payload-tokens",
)  # fmt: skip
"""Settings that variants may differ in. The rest, targets, load and limits among them, is the comparison's."""

_MOST = 12
"""Variants at the most: each two of them make a pair, and all wait for each other."""

_REPEATED = ("function", "mode")
_NAME = re.compile(r"[A-Za-z0-9][\w .:+-]{0,39}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One of what is compared.

    Attributes:
        name: what tables and sentences call it.
        plan: of its run.
        is_optional: whether the others are compared without it where it cannot be set up, as of a runtime that this
            machine does not have.
    """

    name: str
    plan: Plan
    is_optional: bool = False


def is_comparison(given: Mapping[str, Given], tables: Sequence[VariantTable]) -> bool:
    """Return whether settings describe several variants: tables of a profile, or a setting that was repeated."""
    return bool(tables) or any(isinstance(given[name].value, list) for name in _REPEATED if name in given)


def variants_of(given: Mapping[str, Given], tables: Sequence[VariantTable]) -> list[Variant]:
    """Return the variants that settings describe, at least two.

    Args:
        given: what is the same in all; ``function`` and ``mode`` may hold a list, each of which is a variant.
        tables: what each variant of a profile says of itself.

    Raises:
        UsageError: naming the option or key that is wrong, or why the variants cannot be compared.
    """
    found = _of_lists(given) if not tables else [_of_table(table, given) for table in tables]
    if len(found) < 2:
        raise UsageError(
            f"{tables[0].origin}: a comparison takes two variants at least", hint="add another [[variant]] table"
        )
    if len(found) > _MOST:
        raise UsageError(
            f"{len(found)} variants are too many for one comparison: expected {_MOST} at most",
            hint="compare fewer, and the best of each comparison in another",
        )
    _refuse_current_of_several_sizes(found)
    return _told_apart(found, is_named=any(table.name for table in tables))


def _of_lists(given: Mapping[str, Given]) -> list[Variant]:
    """Return a variant for each function in each mode."""
    lists = {name: _listed(given[name]) for name in _REPEATED if name in given}
    functions, modes = lists.get("function", [None]), lists.get("mode", [None])
    found = []
    for function, mode in product(functions, modes):
        own = {name: each for name, each in (("function", function), ("mode", mode)) if each is not None}
        parts = [short_name(function.value)] if function is not None and len(functions) > 1 else []
        parts += [mode.value] if mode is not None and len(modes) > 1 else []
        found.append(Variant(" ".join(parts), build_plan({**given, **own})))
    return found


def _listed(given: Given) -> list[Given]:
    values = given.value if isinstance(given.value, list) else [given.value]
    return [replace(given, value=value) for value in values]


def _of_table(table: VariantTable, given: Mapping[str, Given]) -> Variant:
    """Return the variant of a table."""
    for name, setting in table.given.items():
        if name not in OF_A_VARIANT:
            raise UsageError(
                f"{setting.origin}: variants cannot differ in `{name}`: it is the comparison's",
                hint=f"put it above the [[variant]] tables; {did_you_mean(name, OF_A_VARIANT)}",
            )
    for name in _REPEATED:
        one = {**given, **table.given}.get(name)
        if one is not None and isinstance(one.value, list):
            raise UsageError(
                f"{one.origin}: several values of `{name}` and [[variant]] tables are two ways to say what is compared",
                hint="leave one of them out",
            )
    if table.name is not None and not _NAME.fullmatch(table.name):
        raise UsageError(
            f"{table.origin}: `{table.name}` is no name of a variant: expected up to 40 letters, digits, "
            "spaces and .:_+-, a letter or digit first",
            hint='name = "java with SnapStart"',
        )
    shown = [short_name(str(setting.value)) for setting in table.given.values()]
    plan = build_plan({**given, **table.given})
    return Variant(table.name or " ".join(shown)[:40].strip(), plan, table.is_optional)


def short_name(text: str) -> str:
    """Return how a function is called in tables: without what is before its name in an ARN or path."""
    if text.startswith("arn:"):
        return text.partition(":function:")[2] or text
    return text.removeprefix("sample:").rstrip("/").rpartition("/")[2].removesuffix(".zip") or text


def _told_apart(variants: Sequence[Variant], *, is_named: bool) -> list[Variant]:
    """Return variants whose names differ: of those that have one name, later ones get a number.

    Raises:
        UsageError: when names that were given are the same.
    """
    seen: Counter[str] = Counter()
    found = []
    for variant in variants:
        base = variant.name or short_name(variant.plan.function.name)
        seen[base] += 1
        if seen[base] > 1 and is_named:
            raise UsageError(f"two variants are called `{base}`", hint="give each a name of its own")
        found.append(replace(variant, name=base if seen[base] == 1 else f"{base}-{seen[base]}"))
    return found


def _refuse_current_of_several_sizes(variants: Sequence[Variant]) -> None:
    """Refuse to change one function for two variants at a time, which isolation `version` would do."""
    changed: dict[str, str] = {}
    for variant in variants:
        if variant.plan.isolation != "version":
            continue
        name = short_name(variant.plan.function.name).partition(":")[0]
        if name in changed:
            raise UsageError(
                f"variants `{changed[name]}` and `{variant.name}` would both change $LATEST of {name}, and isolation "
                "`version` does that for one at a time",
                hint="--isolation clone",
            )
        changed[name] = variant.name
