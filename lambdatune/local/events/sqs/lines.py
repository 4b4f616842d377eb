"""In which order available messages are given out: any order, or in order within each group."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lambdatune.local.events.sqs.message import GONE

if TYPE_CHECKING:
    from lambdatune.local.events.sqs.message import Message


class Line(Protocol):
    """The available messages of a queue."""

    def add(self, message: Message) -> None:
        """Add a message that was never given out."""

    def take(self, most: int) -> list[Message]:
        """Give out up to `most` messages."""

    def put_back(self, message: Message) -> None:
        """Take a message back that was given out."""

    def done(self, message: Message) -> None:
        """Forget a message that was given out."""


class AnyOrder:
    """A standard queue: first in, first out as far as nothing comes back."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()

    def add(self, message: Message) -> None:
        """Append."""
        self._messages.append(message)

    put_back = add

    def take(self, most: int) -> list[Message]:
        """Give out the oldest; those that were deleted meanwhile are passed over."""
        taken: list[Message] = []
        while self._messages and len(taken) < most:
            message = self._messages.popleft()
            if message.state != GONE:
                taken.append(message)
        return taken

    def done(self, message: Message) -> None:
        """Do nothing: no message holds another one up."""


@dataclass(slots=True)
class _Group:
    waiting: deque[Message] = field(default_factory=deque)
    out: int = 0


class GroupOrder:
    """A FIFO queue: in order within a group, of which nothing is given out while some of it is out."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._free: deque[str] = deque()

    def add(self, message: Message) -> None:
        """Append to the group."""
        group = self._groups.setdefault(str(message.group), _Group())
        group.waiting.append(message)
        if len(group.waiting) == 1 and not group.out:
            self._free.append(str(message.group))

    def take(self, most: int) -> list[Message]:
        """Give out as many of the first free group as there are, then of the next."""
        taken: list[Message] = []
        while self._free and len(taken) < most:
            name = self._free.popleft()
            group = self._groups[name]
            while group.waiting and len(taken) < most:
                message = group.waiting.popleft()
                if message.state != GONE:
                    taken.append(message)
                    group.out += 1
            if not group.out:
                del self._groups[name]
        return taken

    def put_back(self, message: Message) -> None:
        """Put a message to its place in the order of the group."""
        group = self._groups[str(message.group)]
        place = 0
        while place < len(group.waiting) and group.waiting[place].sequence < message.sequence:
            place += 1
        group.waiting.insert(place, message)
        self.done(message)

    def done(self, message: Message) -> None:
        """Let the group go on when nothing of it is out any more."""
        name = str(message.group)
        group = self._groups[name]
        group.out -= 1
        if group.out:
            return
        if group.waiting:
            self._free.append(name)
        else:
            del self._groups[name]
