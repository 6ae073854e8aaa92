"""Many rows in one statement: a driver gives up the interpreter at every statement, and gets it back late.

A group of commits written row by row takes ten times as long as one written in a few statements, in a process whose
event loop is busy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Table
from sqlalchemy.engine.interfaces import DBAPICursor

Rows: TypeAlias = "Sequence[tuple[Any, ...]]"
"""Rows with the values of some columns, in the order in which those are named."""

LARGEST = 32
"""Rows of one statement. Every number up to it makes a statement of its own, which is prepared once."""


def insert_rows(cursor: DBAPICursor, table: Table, columns: tuple[str, ...], rows: Rows) -> None:
    """The rows are in the table."""
    _write(cursor, table, columns, (), rows)


def put_rows(cursor: DBAPICursor, table: Table, columns: tuple[str, ...], rows: Rows) -> None:
    """The rows are in the table, also where one with the same primary key was there."""
    _write(cursor, table, columns, tuple(column.name for column in table.primary_key), rows)


def _write(cursor: DBAPICursor, table: Table, columns: tuple[str, ...], key: tuple[str, ...], rows: Rows) -> None:
    for begin in range(0, len(rows), LARGEST):
        chunk = rows[begin : begin + LARGEST]
        statement = _statement(table.name, columns, key, len(chunk))
        cursor.execute(statement, tuple(value for row in chunk for value in row))


@lru_cache(maxsize=256)
def _statement(table: str, columns: tuple[str, ...], key: tuple[str, ...], rows: int) -> str:
    values = ", ".join([f"({', '.join(['?'] * len(columns))})"] * rows)
    insert = f"INSERT INTO {table} ({', '.join(map(_quoted, columns))}) VALUES {values}"
    if not key:
        return insert
    others = ", ".join(f"{_quoted(name)} = excluded.{_quoted(name)}" for name in columns if name not in key)
    return f"{insert} ON CONFLICT ({', '.join(map(_quoted, key))}) DO UPDATE SET {others}"


def _quoted(name: str) -> str:
    return f'"{name}"'
