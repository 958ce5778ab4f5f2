"""Products of tables: a part that always runs, and the rest with ``-m exhaustive``."""

from itertools import product

import pytest


def some(of, *tables):
    """The parameters of a product, of which those in ``of`` run by default.

    >>> [p.id or p.values for p in some(lambda a, b: a == 1, (1, 2), "x")]
    [(1, 'x'), (2, 'x')]
    """
    return [
        pytest.param(*each, marks=() if of(*each) else pytest.mark.exhaustive)
        for each in product(*tables)
    ]


def each_once(*tables):
    """The parameters of a product; by default each value of a table has its turn.

    The tables are gone through side by side, each from one place further on, so that
    equal tables give unequal pairs.

    >>> [p.values for p in each_once("abcd", "xy") if not p.marks]
    [('a', 'y'), ('b', 'x'), ('c', 'y'), ('d', 'x')]
    """
    tables = [list(table) for table in tables]
    turns = {
        tuple(table[(k + place) % len(table)] for place, table in enumerate(tables))
        for k in range(max(map(len, tables)))
    }
    return some(lambda *each: each in turns, *tables)
