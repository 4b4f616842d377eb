"""Where on this host groups can be made: the mounted cgroup hierarchies and our own place in them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "lambdatune-"
"""Every directory of ours, in a hierarchy or among the temporary files, begins with this."""

_CONTROLLERS_V1 = ("cpu", "memory", "cpuacct")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(slots=True)
class Hierarchy:
    """Directories in which groups can be made.

    Attributes:
        version: 1 or 2.
        bases: controller (cpu, memory, cpuacct) to a directory in which we may make groups.
        moved_from: the v2 group this process was moved out of, so that controllers could be given to children.
        moved_to: the group it was moved to.
    """

    version: int
    bases: dict[str, Path]
    moved_from: Path | None = None
    moved_to: Path | None = None

    def has(self, controller: str) -> bool:
        """Whether groups of `controller` can be made."""
        return controller in self.bases

    def restore(self) -> None:
        """Go back to the group this process came from, as far as the kernel lets us."""
        if self.moved_from is None or self.moved_to is None:
            return
        with suppress(OSError):
            (self.moved_from / "cgroup.subtree_control").write_text("-cpu -memory")
            (self.moved_from / "cgroup.procs").write_text("0")
            remove_tree(self.moved_to)
        self.moved_from = None


def find_hierarchy(name: str, proc: Path = Path("/proc/self")) -> Hierarchy | None:
    """Find where groups can be made: v2 when it has cpu and memory, else v1, else None.

    Args:
        name: directory name of this endpoint, used to try the places.
        proc: the process's directory in procfs.
    """
    try:
        mounts = (proc / "mountinfo").read_text().splitlines()
        own = _own_groups((proc / "cgroup").read_text())
    except OSError:
        return None
    return _find_v2(name, mounts, own.get("")) or _find_v1(name, mounts, own)


def candidate_bases(proc: Path = Path("/proc/self")) -> list[Path]:
    """Return every directory in which an endpoint of ours may have made its group, for the sweep."""
    try:
        mounts = (proc / "mountinfo").read_text().splitlines()
        own = _own_groups((proc / "cgroup").read_text())
    except OSError:
        return []
    places: list[Path] = []
    for controller in _CONTROLLERS_V1:
        places += _places(_mount_of(mounts, "cgroup", controller), own.get(controller))
    unified = _places(_mount_of(mounts, "cgroup2", None), own.get(""))
    return list(dict.fromkeys([*places, *unified]))


def own_cpu_quota(proc: Path = Path("/proc/self")) -> float | None:
    """Return the CPU quota of our own group in cores (a container's limit); None when there is none.

    Args:
        proc: the process's directory in procfs.
    """
    try:
        mounts = (proc / "mountinfo").read_text().splitlines()
        own = _own_groups((proc / "cgroup").read_text())
    except OSError:
        return None
    for place in _places(_mount_of(mounts, "cgroup2", None), own.get(""))[:1]:
        quota = _read_quota(place / "cpu.max", None)
        if quota is not None:
            return quota
    for place in _places(_mount_of(mounts, "cgroup", "cpu"), own.get("cpu"))[:1]:
        return _read_quota(place / "cpu.cfs_quota_us", place / "cpu.cfs_period_us")
    return None


def _read_quota(quota_file: Path, period_file: Path | None) -> float | None:
    try:
        words = quota_file.read_text().split()
        if period_file is not None:
            words += period_file.read_text().split()
    except OSError:
        return None
    return None if words[0] in {"max", "-1"} else int(words[0]) / int(words[1])


def remove_tree(directory: Path) -> bool:
    """Remove a group and the groups inside; return False while the kernel refuses (EBUSY)."""
    try:
        for child in directory.iterdir():
            if child.is_dir():
                remove_tree(child)
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _own_groups(text: str) -> dict[str, str]:
    """Map controller to our group's path; v2 has the empty name (cgroups(7), /proc/pid/cgroup)."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _mount_of(mounts: list[str], kind: str, controller: str | None) -> tuple[str, Path] | None:
    """Return (root inside the hierarchy, mount point) of a cgroup mount (proc(5), mountinfo)."""
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if tail[0] == kind and (controller is None or controller in tail[2].split(",")):
            return _unescape(fields[3]), Path(_unescape(fields[4]))
    return None


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _places(mount: tuple[str, Path] | None, own: str | None) -> list[Path]:
    """Return where to try, best first: our own group, its parent, the root of the mount."""
    if mount is None:
        return []
    root, point = mount
    places = []
    if own is not None and (root in {"/", own} or own.startswith(root + "/")):
        relative = own if root == "/" else own[len(root) :]
        group = point / relative.lstrip("/")
        places = [group, group.parent] if group != point else [group]
    return list(dict.fromkeys([*places, point]))


def _find_v1(name: str, mounts: list[str], own: dict[str, str]) -> Hierarchy | None:
    bases: dict[str, Path] = {}
    for controller in _CONTROLLERS_V1:
        for place in _places(_mount_of(mounts, "cgroup", controller), own.get(controller)):
            if _can_make(place / f"{name}-probe"):
                bases[controller] = place
                break
    return Hierarchy(1, bases) if bases else None


def _can_make(directory: Path) -> bool:
    try:
        directory.mkdir()
        directory.rmdir()
    except OSError:
        return False
    return True


def _find_v2(name: str, mounts: list[str], own: str | None) -> Hierarchy | None:
    places = _places(_mount_of(mounts, "cgroup2", None), own)
    for place in places:
        try:
            offered = (place / "cgroup.controllers").read_text().split()
        except OSError:
            continue
        if not {"cpu", "memory"} <= set(offered):
            continue
        hierarchy = Hierarchy(2, dict.fromkeys(_CONTROLLERS_V1, place))
        if _delegate(hierarchy, place, name) and _can_make(place / f"{name}-probe"):
            return hierarchy
        hierarchy.restore()
    return None


def _delegate(hierarchy: Hierarchy, place: Path, name: str) -> bool:
    """Give children of `place` the cpu and memory controllers; return whether they have them.

    A v2 group with controllers for its children holds no processes of its own ("no internal processes"), so this
    process moves aside when it is the only one in `place`.
    """
    control = place / "cgroup.subtree_control"
    try:
        if {"cpu", "memory"} <= set(control.read_text().split()):
            return True
    except OSError:
        return False
    try:
        control.write_text("+cpu +memory")
    except OSError:
        return _move_and_delegate(hierarchy, place, name)
    return True


def _move_and_delegate(hierarchy: Hierarchy, place: Path, name: str) -> bool:
    aside = place / f"{name}-self"
    try:
        if (place / "cgroup.procs").read_text().split() != [str(os.getpid())]:
            return False
        aside.mkdir(exist_ok=True)
        (aside / "cgroup.procs").write_text("0")
        hierarchy.moved_from, hierarchy.moved_to = place, aside
        (place / "cgroup.subtree_control").write_text("+cpu +memory")
    except OSError:
        return False
    return True
