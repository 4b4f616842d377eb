"""Percentile distributions in the .hgrm form that the public HdrHistogram plotter reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.hlog import percentile_distribution

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult


def histogram_tags(result: RunResult) -> dict[str, str]:
    """Return the encoded histograms of a result by tag: ``mem-512.warm.duration``."""
    return {f"mem-{cell.memory_mb}.{name}": blob for cell in result.cells for name, blob in cell.histograms.items()}


def render_hgrm(result: RunResult, tag: str | None = None) -> str:
    """Return the distribution of one histogram, or of all of them, each after a line that names it.

    Args:
        result: the run.
        tag: ``mem-512.warm.duration``; None for all.

    Raises:
        UsageError: when the run has no histogram of that tag.
    """
    histograms = histogram_tags(result)
    if tag is not None:
        if tag not in histograms:
            raise UsageError(f"run {result.id} has no histogram `{tag}`", hint=did_you_mean(tag, histograms))
        return percentile_distribution(LatencyHistogram.decode(histograms[tag]))
    return "\n".join(
        f"#[Tag: {name}]\n{percentile_distribution(LatencyHistogram.decode(blob))}" for name, blob in histograms.items()
    )
