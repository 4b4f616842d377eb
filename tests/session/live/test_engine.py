"""The engine process: it answers, runs and is steered, and what it changed is undone however its screens end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from lambdatune.session.live.link import EngineProcess
from lambdatune.session.live.messages import (
    BINS,
    AddSize,
    CardShown,
    ChangeLoad,
    ChangeTargets,
    Ended,
    EndSize,
    LookUp,
    Pause,
    PlanSettings,
    Refused,
    Resume,
    Said,
    Snapshot,
    Start,
    Started,
    Stop,
)
from lambdatune.session.replay import RecordedRun, WhatIf
from lambdatune.session.run_directory import RunDirectory

QUICK = {"function": "sample:checkout", "memory": "512,1024", "target": ["p99<=16ms"], "cold-starts": 1, "seed": 1}


@pytest.fixture
async def engine(own_data_directory):
    started = await EngineProcess.start()
    yield started
    await started.close()


def settings(**other: object) -> PlanSettings:
    return PlanSettings({**QUICK, **{name.replace("_", "-"): value for name, value in other.items()}}, "/")


async def test_a_plan_is_looked_up_and_nothing_is_begun(engine) -> None:
    shown = await engine.ask(LookUp(0, settings()))
    assert isinstance(shown, CardShown)
    assert (shown.function, shown.sizes_mb, shown.costs_money) == ("checkout", (512, 1024), False)
    assert shown.calls > 0
    assert any("deleted at the end" in change for change in shown.changes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"memory": "5"}, "out of range"),
        ({"function": "sample:none"}, "no bundled function"),
        ({"nonsense": 1}, "no key"),
    ],
)
async def test_a_plan_that_cannot_be_is_refused_in_a_sentence(engine, wrong, said) -> None:
    refused = await engine.ask(LookUp(0, settings(**wrong)))
    assert isinstance(refused, Refused)
    assert said in refused.message
    assert refused.exit_code == 2


async def test_questions_are_answered_each_with_its_own_answer(engine) -> None:
    first, second = await asyncio.gather(
        engine.ask(LookUp(0, settings(memory="1024"))), engine.ask(LookUp(0, settings(memory="12")))
    )
    assert isinstance(first, CardShown)
    assert isinstance(second, Refused)


async def test_steering_without_a_run_is_refused(engine) -> None:
    engine.tell(Pause())
    refused = await anext(engine.watch())
    assert isinstance(refused, Refused)
    assert "no run" in refused.message


async def test_a_plan_that_cannot_be_ends_at_once_with_its_exit_code(engine, tmp_path) -> None:
    engine.tell(Start(settings(memory="12"), str(tmp_path)))
    ended = await anext(engine.watch())
    assert ended == Ended(2, None, ended.message, ended.hint)
    assert "out of range" in ended.message


class Watched:
    """News of a run, as they come."""

    def __init__(self, engine: EngineProcess) -> None:
        self._news = engine.watch()
        self.said: list[str] = []
        self.refused: list[str] = []
        self.run: RunDirectory | None = None
        self.ended: Ended | None = None
        self.last: Snapshot | None = None

    async def until(self, is_so) -> Snapshot | None:
        """Watch until a snapshot is so, or the end."""
        async for news in self._news:
            match news:
                case Said():
                    self.said.append(news.sentence)
                case Refused():
                    self.refused.append(news.message)
                case Started():
                    self.run = RunDirectory(Path(news.run_path))
                case Ended():
                    self.ended = news
                    return None
                case Snapshot():
                    self.last = news
                    if is_so(news):
                        return news
        return None

    async def until_the_end(self) -> Ended:
        await self.until(lambda _: False)
        assert self.ended is not None
        return self.ended


def cell(snapshot: Snapshot, memory_mb: int):
    return next(cell for cell in snapshot.cells if cell.memory_mb == memory_mb)


@pytest.mark.slow
async def test_a_run_is_steered_while_it_measures_and_its_rows_tell_the_same_afterwards(engine, tmp_path) -> None:
    watched = Watched(engine)
    engine.tell(Start(settings(rate="40/s", max_invocations=2_000), str(tmp_path)))
    running = await watched.until(lambda now: now.calls > 30)
    assert running.state == "running"
    assert running.load == "40/s"

    engine.tell(Pause())
    paused = await watched.until(lambda now: now.state == "paused")
    calls = paused.calls
    engine.tell(ChangeTargets(("p95<=16ms",)))
    changed = await watched.until(lambda now: now.targets != paused.targets)
    assert changed.targets == ("warm.duration.p95<=16ms",)
    assert changed.calls == calls, "nothing is sent while it is paused"
    engine.tell(AddSize(12))
    engine.tell(AddSize(768))
    engine.tell(EndSize(512))
    engine.tell(EndSize(512))
    await watched.until(lambda now: len(now.cells) == 3 and cell(now, 512).state == "ended")
    ended_at = cell(watched.last, 512).calls
    engine.tell(Resume())
    resumed = await watched.until(lambda now: cell(now, 768).calls > 3)
    assert resumed.paused_s > 0
    engine.tell(ChangeLoad(concurrency=0))
    engine.tell(ChangeLoad(concurrency=1))
    anew = await watched.until(lambda now: now.load == "1 in flight" and now.calls > resumed.calls + 40)
    assert cell(anew, 512).warm.count == 0, "warm calls of another load are in no figure"
    ended = await watched.until_the_end()

    assert [text for text in watched.refused if "12 MB" in text]
    assert [text for text in watched.refused if "ended already" in text]
    assert [text for text in watched.refused if "0 calls in flight" in text]
    result = watched.run.read()
    assert ended.exit_code in {0, 3, 5}
    assert result.plan["targets"] == ["warm.duration.p95<=16ms"]
    assert result.plan["concurrency"] == 1
    assert result.plan["rate_per_s"] is None
    assert [entry for entry in result.validity.notes if "load changed from 40/s to 1 in flight" in entry]
    rows = len(watched.run.rows_path.read_text().splitlines()) - 1
    assert result.spend.invocations == rows == watched.last.calls
    assert sum(each.invocations for each in result.cells) < rows
    assert next(each for each in result.cells if each.memory_mb == 512).warm.count == 0
    assert ended_at >= 1
    replayed = RecordedRun(watched.run).decide(WhatIf())
    assert replayed.spend.invocations == rows
    assert [each.warm.count for each in replayed.cells] == [each.warm.count for each in result.cells]
    assert [each.verdict for each in replayed.cells] == [each.verdict for each in result.cells]


@pytest.mark.slow
async def test_a_snapshot_holds_every_call_and_a_stop_keeps_what_was_measured(engine, tmp_path) -> None:
    watched = Watched(engine)
    engine.tell(Start(settings(), str(tmp_path)))
    seen = await watched.until(lambda now: now.calls > 60 and now.over_time is not None)
    for each in seen.cells:
        counts = np.frombuffer(each.warm.counts, "<i4")
        assert len(counts) in {0, BINS}
        assert counts.sum() == each.warm.count
    at_s = np.frombuffer(seen.over_time.at_s)
    assert len(at_s) == len(np.frombuffer(seen.over_time.max_ms))
    assert (np.diff(at_s) > 0).all()
    engine.tell(Stop())
    ended = await watched.until_the_end()
    assert ended.exit_code == 130
    assert watched.run.read().status == "interrupted"
    assert watched.run.journal.pending() == ()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["the screens are gone", "SIGTERM"])
async def test_an_engine_whose_screens_are_gone_stops_undoes_and_leaves_no_process(
    own_data_directory, tmp_path, how
) -> None:
    engine = await EngineProcess.start()
    watched = Watched(engine)
    engine.tell(Start(settings(), str(tmp_path)))
    await watched.until(lambda now: now.calls > 10)
    children = psutil.Process(engine.pid).children(recursive=True)
    assert children, "a load process and an endpoint"
    if how == "SIGTERM":
        os.kill(engine.pid, signal.SIGTERM)
        await watched.until_the_end()
    await engine.close(30)
    assert "status 0" in await engine.obituary()
    assert watched.run.read().status == "interrupted"
    assert watched.run.journal.pending() == ()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
    assert not alive
    assert len(gone) == len(children)


@pytest.mark.slow
async def test_an_engine_that_is_killed_is_told_and_its_rows_are_kept(own_data_directory, tmp_path) -> None:
    engine = await EngineProcess.start()
    watched = Watched(engine)
    engine.tell(Start(settings(), str(tmp_path)))
    await watched.until(lambda now: now.calls > 10)
    children = psutil.Process(engine.pid).children(recursive=True)
    asked = asyncio.create_task(engine.ask(LookUp(0, settings(memory="3008"))))
    os.kill(engine.pid, signal.SIGKILL)
    await watched.until(lambda _: False)
    assert watched.ended is None
    assert engine.is_gone
    assert "SIGKILL" in await engine.obituary()
    assert isinstance(await asked, CardShown | Refused)
    await engine.close()
    assert RecordedRun(watched.run).result().spend.invocations >= 10
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
    assert not alive, "the load process and the endpoint end by themselves"
