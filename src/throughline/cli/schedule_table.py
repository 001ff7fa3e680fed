"""Writing the installments of many loans, a row for each, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Protocol

import numpy as np

from throughline.cli.digits import Days, Ints, amounts, packed, side_by_side, whole
from throughline.cli.parquet import pyarrow
from throughline.lending.bulk.planner import Planned

COLUMNS = ("loan_id", "nr", "from", "due_date", "days", "balance", "principal", "interest", "due")
_NEEDS_QUOTES = frozenset(',"\r\n')


class Writer(Protocol):
    """Takes the installments as they come."""

    def write(self, planned: Planned) -> None: ...


@contextmanager
def csv_writer(stream: IO[bytes]) -> Iterator[Writer]:
    """CSV after RFC 4180, with the line ends of Unix. OSError where the stream fails."""
    stream.write(",".join(COLUMNS).encode() + b"\n")
    yield _Csv(stream)
    stream.flush()


@contextmanager
def parquet_writer(file: str) -> Iterator[Writer]:
    """Parquet; `nr` and `days` are whole numbers, the rest are the texts of the CSV. OSError as above."""
    pa, parquet = pyarrow(file)
    kinds = {"nr": pa.int32(), "days": pa.int32()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield _Parquet(pa, schema, writer)


class _Csv:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._days = Days()

    def write(self, planned: Planned) -> None:
        digits = np.repeat(planned.digits, planned.counts)
        ids = np.array(_quoted(planned.ids), np.bytes_)
        columns: list[list[np.ndarray[Any, Any]] | bytes] = [
            [np.repeat(ids, planned.counts)],
            b",",
            whole(planned.nr),
            b",",
            self._days.fields(planned.start),
            b",",
            self._days.fields(planned.due),
            b",",
            whole(planned.interest_days),
            b",",
            amounts(planned.balance, digits),
            b",",
            amounts(planned.principal, digits),
            b",",
            amounts(planned.interest, digits),
            b",",
            amounts(planned.principal + planned.interest, digits),
            b"\n",
        ]
        self._stream.write(packed(side_by_side(columns, len(planned.nr))))


def _quoted(ids: Sequence[str]) -> list[bytes]:
    if _NEEDS_QUOTES.isdisjoint("".join(ids)):
        return [name.encode() for name in ids]
    return [
        name.encode() if _NEEDS_QUOTES.isdisjoint(name) else b'"' + name.replace('"', '""').encode() + b'"'
        for name in ids
    ]


class _Parquet:
    def __init__(self, pa: Any, schema: Any, writer: Any) -> None:
        self._pa, self._schema, self._writer = pa, schema, writer
        self._days = Days()

    def write(self, planned: Planned) -> None:
        pa = self._pa
        digits = np.repeat(planned.digits, planned.counts)
        ids = pa.array(planned.ids, pa.string())
        due = planned.principal + planned.interest
        columns = [
            ids.take(pa.array(np.repeat(np.arange(len(planned.ids)), planned.counts))),
            pa.array(planned.nr.astype(np.int32)),
            self._texts(self._days.fields(planned.start)),
            self._texts(self._days.fields(planned.due)),
            pa.array(planned.interest_days.astype(np.int32)),
            *self._amounts([planned.balance, planned.principal, planned.interest, due], digits),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def _amounts(self, columns: Sequence[Ints], digits: Ints) -> list[Any]:
        return [self._texts(amounts(column, digits)) for column in columns]

    def _texts(self, fields: list[np.ndarray[Any, Any]]) -> Any:
        """Texts as Arrow keeps them: all bytes in a row, and where each text begins."""
        matrix = side_by_side([fields], len(fields[0]))
        ends = np.cumsum(np.count_nonzero(matrix, axis=1), dtype=np.int32)
        begins = self._pa.py_buffer(np.concatenate([np.zeros(1, np.int32), ends]))
        buffers = [None, begins, self._pa.py_buffer(packed(matrix))]
        return self._pa.Array.from_buffers(self._pa.string(), len(matrix), buffers)
