"""Control groups of both versions, on directory trees of their shape."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lambdatune.local.cgroups import CageFactory, CageV2
from lambdatune.local.hierarchy import Hierarchy, find_hierarchy, own_cpu_quota
from lambdatune.local.identity import is_dead, own_name
from lambdatune.local.limits import Limits, choose_limits, process_cpu_ns, tree_rss_bytes
from lambdatune.model.errors import UsageError

NAME = "lambdatune-1-2"


def _v2_host(tmp_path: Path, *, own: str = "/", root: str = "/", enabled: str = "cpu memory") -> tuple[Path, Path]:
    """Return (procfs directory, mount point) of a host with only cgroup v2."""
    mount, proc = tmp_path / "cgroup", tmp_path / "proc"
    group = mount / own.removeprefix(root).lstrip("/")
    group.mkdir(parents=True)
    proc.mkdir()
    for directory in {mount, group}:
        (directory / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (directory / "cgroup.subtree_control").write_text(enabled)
        (directory / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (proc / "mountinfo").write_text(f"30 23 0:26 {root} {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n")
    (proc / "cgroup").write_text(f"0::{own}\n")
    return proc, mount


def test_v2_with_controllers_for_children(tmp_path: Path) -> None:
    proc, mount = _v2_host(tmp_path)
    found = find_hierarchy(NAME, proc)
    assert found == Hierarchy(2, {"cpu": mount, "memory": mount, "cpuacct": mount})


def test_v2_enables_controllers(tmp_path: Path) -> None:
    proc, mount = _v2_host(tmp_path, own="/user/scope", enabled="")
    found = find_hierarchy(NAME, proc)
    assert found is not None
    assert found.bases["cpu"] == mount / "user/scope"
    assert (mount / "user/scope/cgroup.subtree_control").read_text() == "+cpu +memory"


def test_v2_mounted_from_below_the_root(tmp_path: Path) -> None:
    proc, mount = _v2_host(tmp_path, own="/docker/abc", root="/docker/abc")
    found = find_hierarchy(NAME, proc)
    assert found is not None
    assert found.bases["memory"] == mount


def test_v2_without_the_controllers_is_no_place(tmp_path: Path) -> None:
    proc, mount = _v2_host(tmp_path)
    (mount / "cgroup.controllers").write_text("pids\n")
    assert find_hierarchy(NAME, proc) is None


def test_v2_moves_aside_when_it_is_alone_in_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, mount = _v2_host(tmp_path, own="/scope", enabled="")
    (mount / "cgroup.controllers").write_text("")
    group, aside = mount / "scope", mount / "scope" / f"{NAME}-self"
    write = Path.write_text

    def kernel(path: Path, text: str) -> int:
        """Refuse controllers for children while a process is in the group ("no internal processes")."""
        if path == group / "cgroup.subtree_control" and text.startswith("+") and not aside.exists():
            raise OSError(errno.EBUSY, "Device or resource busy")
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", kernel)
    found = find_hierarchy(NAME, proc)
    assert found is not None
    assert (found.moved_from, found.moved_to) == (group, aside)
    assert (aside / "cgroup.procs").read_text() == "0"
    assert (group / "cgroup.subtree_control").read_text() == "+cpu +memory"
    found.restore()
    assert (group / "cgroup.subtree_control").read_text() == "-cpu -memory"
    assert (group / "cgroup.procs").read_text() == "0"


def test_own_quota_of_both_versions(tmp_path: Path) -> None:
    proc, mount = _v2_host(tmp_path, own="/docker/abc", root="/docker/abc")
    assert own_cpu_quota(proc) is None
    (mount / "cpu.max").write_text("max 100000\n")
    assert own_cpu_quota(proc) is None
    (mount / "cpu.max").write_text("150000 100000\n")
    assert own_cpu_quota(proc) == 1.5
    (proc / "mountinfo").write_text(f"3 2 0:1 / {mount} rw - cgroup cgroup rw,cpu\n")
    (proc / "cgroup").write_text("1:cpu:/\n")
    (mount / "cpu.cfs_quota_us").write_text("200000\n")
    (mount / "cpu.cfs_period_us").write_text("50000\n")
    assert own_cpu_quota(proc) == 4


def test_v1_uses_each_controllers_own_mount(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    lines, groups = [], []
    for number, controllers in enumerate(("cpu,cpuacct", "memory")):
        mount = tmp_path / "fs" / controllers
        (mount / "own group").mkdir(parents=True)
        escaped = str(mount).replace(" ", "\\040")
        lines.append(f"3{number} 23 0:{number} / {escaped} rw - cgroup cgroup rw,{controllers}")
        groups.append(f"{number}:{controllers}:/own group")
    (proc / "mountinfo").write_text("\n".join(lines))
    (proc / "cgroup").write_text("\n".join(groups))
    found = find_hierarchy(NAME, proc)
    assert found is not None
    both = tmp_path / "fs/cpu,cpuacct/own group"
    assert (found.version, found.bases) == (
        1,
        {"cpu": both, "cpuacct": both, "memory": tmp_path / "fs/memory/own group"},
    )


def test_no_procfs_is_no_hierarchy(tmp_path: Path) -> None:
    assert find_hierarchy(NAME, tmp_path / "nothing") is None


def test_cage_v2_writes_and_reads_its_files(tmp_path: Path) -> None:
    bases = dict.fromkeys(("cpu", "memory", "cpuacct"), tmp_path)
    factory = CageFactory(Hierarchy(2, bases), NAME, cpu=True, memory=True, period_us=20_000)
    assert factory.groups == [tmp_path / NAME]
    assert (tmp_path / NAME / "cgroup.subtree_control").read_text() == "+cpu +memory"
    cage = factory.make("e1", 512)
    group = tmp_path / NAME / "e1"
    assert cage.join_files() == [group / "cgroup.procs"]
    assert (group / "memory.max").read_text() == str(512 << 20)
    assert (group / "memory.swap.max").read_text() == "0"
    cage.set_quota(None)
    assert (group / "cpu.max").read_text() == "max 20000"
    cage.set_quota(5_788)
    assert (group / "cpu.max").read_text() == "5788 20000"
    (group / "cpu.stat").write_text("usage_usec 1500\nuser_usec 1000\n")
    assert cage.cpu_ns() == 1_500_000
    (group / "memory.current").write_text("1000\n")
    assert cage.peak_bytes() == 1000
    (group / "memory.current").write_text("500\n")
    assert cage.peak_bytes() == 1000  # before Linux 5.19 the highest that was seen
    (group / "memory.peak").write_text("2000\n")
    assert cage.peak_bytes() == 2000
    (group / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert cage.oom_killed()
    (group / "cgroup.kill").write_text("")
    (group / "cgroup.procs").write_text("")
    assert cage.kill()
    assert (group / "cgroup.kill").read_text() == "1"


def test_cage_v2_without_memory_limit(tmp_path: Path) -> None:
    cage = CageV2(tmp_path / "e1", memory_mb=None, period_us=None)
    cage.set_quota(1_000)
    assert list((tmp_path / "e1").iterdir()) == []
    assert cage.peak_bytes() is None
    assert not cage.oom_killed()
    assert cage.remove()
    assert not (tmp_path / "e1").exists()


@pytest.mark.parametrize(("memory_mb", "quota_us"), [(128, 1_447), (1_769, 20_000), (10_240, 115_771)])
def test_quota(memory_mb: int, quota_us: int) -> None:
    assert Limits("cgroup-v2", "cgroup-v2", 20_000, None).quota_us(memory_mb) == quota_us


def test_quota_is_never_below_what_the_kernel_accepts() -> None:
    assert Limits("cgroup-v2", "cgroup-v2", 10_000, None).quota_us(128) == 1_000


def test_delay_stands_for_the_missing_share() -> None:
    delay = Limits("delay", "rss", 20_000, None)
    assert delay.delay_ns(72_400_000, 128) == pytest.approx(1_000_571_000 - 72_400_000, rel=1e-3)
    assert delay.delay_ns(72_400_000, 1_769) == delay.delay_ns(1, 3_008) == 0
    assert Limits("none", "rss", 20_000, None).delay_ns(72_400_000, 128) == 0


def test_limiters_that_are_asked_for_are_in_force() -> None:
    limits = choose_limits("delay", "rss", name=own_name(), period_us=20_000)
    assert (limits.cpu, limits.memory, limits.factory) == ("delay", "rss", None)


def test_cgroup_that_cannot_be_had_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdatune.local.limits.find_hierarchy", lambda name: None)
    with pytest.raises(UsageError, match="--cpu-limiter cgroup is not possible here"):
        choose_limits("cgroup", "auto", name=NAME, period_us=20_000)


def test_processes_are_measured() -> None:
    assert process_cpu_ns(os.getpid()) > 0
    assert tree_rss_bytes(os.getpid()) > 1 << 20
    with pytest.raises(ProcessLookupError):
        process_cpu_ns(2**22 + 1)


def test_names_tell_the_dead_from_the_living() -> None:
    assert not is_dead(own_name())
    assert is_dead(f"lambdatune-{os.getpid()}-1")
    assert is_dead(f"lambdatune-{2**22 + 1}-1")
    assert not is_dead("lambdatune-of-somebody-else")
