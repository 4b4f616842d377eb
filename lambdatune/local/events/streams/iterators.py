"""Shard iterators: opaque texts that name a place in a shard, for some minutes."""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where an iterator stands.

    Attributes:
        stream: identifies the stream over all of its name's lives.
        shard_id: the shard.
        position: in the shard.
        made_s: when the iterator was made, in seconds of Unix time.
    """

    stream: str
    shard_id: str
    position: int
    made_s: float

    def token(self) -> str:
        """Return the iterator's text."""
        document = [self.stream, self.shard_id, self.position, self.made_s]
        return base64.b64encode(json.dumps(document).encode()).decode()

    @property
    def age_s(self) -> float:
        """How old the iterator is, in seconds."""
        return time.time() - self.made_s


def place_of(token: object) -> Place | None:
    """Return where an iterator stands, None for a text that is none of ours."""
    try:
        stream, shard_id, position, made_s = json.loads(base64.b64decode(str(token), validate=True))
        return Place(str(stream), str(shard_id), int(position), float(made_s))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        return None
