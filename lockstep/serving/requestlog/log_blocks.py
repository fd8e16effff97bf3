"""Blocks: requests and their answers, as segments hold them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import compress, groupby
from typing import TypeAlias

import numpy as np
from msgspec.structs import replace

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import take_rows
from lockstep.errors import InputError, ServingError
from lockstep.serving.requestlog.log_segments import Block, Header
from lockstep.serving.requestlog.redaction import Hashes
from lockstep.serving.versions.asked import RequestFacts
from lockstep.serving.versions.request_scorer import Answer, Scored, Scorer

Answered: TypeAlias = tuple[RequestFacts, Answer | Exception]


@dataclass(frozen=True)
class BlockLayout:
    """The columns of a version's blocks, in order."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    hashed: frozenset[str]  # the texts that are logged as hashes
    hashes: Hashes | None  # hashes a column's values; None where no column is hashed

    @classmethod
    def of(cls, header: Header, hashes: Hashes | None) -> BlockLayout:
        """The layout that a segment's header describes."""
        kinds = header.written
        return cls(
            tuple(name for name, kind in kinds.items() if kind is not Kind.TEXT),
            tuple(name for name, kind in kinds.items() if kind is Kind.TEXT),
            frozenset(name for name, how in header.redacted.items() if how == "hashed"),
            hashes,
        )

    def blocks(self, answered: Sequence[Answered], *, now: float, wall: int) -> list[Block]:
        """The blocks of answered requests, one for all rows that were computed together.

        `now` is in seconds of the monotonic clock; `wall` is the same moment in microseconds since
        1970, UTC.
        """
        return [self._block(members, now, wall) for members in _groups(answered)]

    def _block(self, members: Sequence[Answered], now: float, wall: int) -> Block:
        latencies = [int((now - asked.started) * 1e6) for asked, _ in members]
        first = members[0][1]
        counts = [len(answer.rows) if isinstance(answer, Answer) else 0 for _, answer in members]
        scored = first.scored if isinstance(first, Answer) and any(counts) else None
        numbers, texts = self._values(scored) if scored is not None else (b"", [])
        return Block(
            ids=[asked.id for asked, _ in members],
            at=[wall - latency for latency in latencies],
            latency=latencies,
            status=[_status(asked, answer) for asked, answer in members],
            rows=counts,
            rejected=[
                (place, row.row, [(reason.column, reason.rule) for reason in row.reasons])
                for place, (_, answer) in enumerate(members)
                if isinstance(answer, Answer)
                for row in answer.rejected
            ],
            numbers=numbers,
            texts=texts,
            tables=first.tables if isinstance(first, Answer) else {},
        )

    def _values(self, scored: Scored) -> tuple[bytes, list[list[str | None]]]:
        """The bytes of the columns that are no texts, and the others."""
        row = scored.single
        if row is not None and not self.hashed:
            # Arrays of one value would cost far more.
            numbers, texts = row.rows.pick(self.numbers, row), row.rows.pick(self.texts, row)
            return b"".join([value.tobytes() for value in numbers]), [[text] for text in texts]
        columns = scored.computed
        return (
            b"".join([columns[name].tobytes() for name in self.numbers]),
            [self._texts(columns, name) for name in self.texts],
        )

    def _texts(self, columns: Columns, name: str) -> list[str | None]:
        if name in self.hashed:
            assert self.hashes is not None, "what is to be hashed is hashed"
            return self.hashes(columns[name])
        texts: list[str | None] = columns[name].tolist()
        return texts


def logged_origins(scorer: Scorer, redacted: Collection[str]) -> dict[str, Kind]:
    """What is logged of the rows that look-ups and windows read, and what each holds.

    The row that is found tells of the key for which it was asked: where that is redacted, nothing
    is logged of it.
    """
    pipeline = scorer.pipeline
    graph = pipeline.graph
    return {
        name: kind
        for node in graph.path(pipeline.record_schema.names, scorer.wanted)
        if isinstance(node, FromTable) and not graph.lineage(node.column) & {*redacted}
        for name, kind in node.origins.items()
    }


def sampled(answered: Sequence[Answered], share: float) -> list[Answered]:
    """The share of requests that is logged, chosen by the digest of their ids, in their order."""
    limit = int(share * 2**64)
    wanted = [_number(asked.id) < limit for asked, _ in answered]
    if all(wanted):
        return list(answered)
    kept: list[Answered] = []
    marked = zip(answered, wanted, strict=True)
    for _, group in groupby(marked, key=lambda pair: _together(pair[0])):
        members, marks = map(list, zip(*group, strict=True))
        kept += _without_rows_of_others(members, marks)
    return kept


def _without_rows_of_others(members: list[Answered], marks: list[bool]) -> list[Answered]:
    """The marked requests of one computation, with the columns of their own rows."""
    answers = [answer for _, answer in members if isinstance(answer, Answer)]
    if not answers:
        return list(compress(members, marks))
    counts = [len(answer.rows) if isinstance(answer, Answer) else 0 for _, answer in members]
    columns = take_rows(answers[0].scored.computed, np.repeat(np.array(marks), counts))
    scored = Scored(answers[0].scored.names, columns, tables=answers[0].scored.tables)
    return [
        (asked, replace(answer, scored=scored) if isinstance(answer, Answer) else answer)
        for asked, answer in compress(members, marks)
    ]


def _groups(answered: Sequence[Answered]) -> list[Sequence[Answered]]:
    """The requests by computation: nearly always all of them are of one."""
    if len({_together(request) for request in answered}) == 1:
        return [answered]
    return [list(members) for _, members in groupby(answered, key=_together)]


def _together(request: Answered) -> int:
    """A number that requests share whose rows were computed together."""
    answer = request[1]
    return id(answer.scored) if isinstance(answer, Answer) else 0


def _status(asked: RequestFacts, answer: Answer | Exception) -> int:
    if isinstance(answer, Answer):
        return int(asked.refused) if answer.rejected else 200
    if isinstance(answer, ServingError):
        return int(answer.status)
    return 400 if isinstance(answer, InputError) else 500


def _number(request_id: str) -> int:
    return int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "little")
