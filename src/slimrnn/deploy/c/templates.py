"""The parts of the generated file that no model changes."""

from __future__ import annotations

#: what keeps float32 the same on every machine
CONTRACTION = """\
/* A product and a sum round one after the other on every machine: give gcc
 * -ffp-contract=off, or -std=c99. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif
"""

CLEAR = """\
static void clear({sum} *sums, int count)
{{
    for (int k = 0; k < count; k++) sums[k] = 0;
}}
"""

COPY = """\
static void copy({sum} *sums, const TABLE {bias} *from, int count)
{{
    for (int k = 0; k < count; k++) sums[k] = from[k];
}}
"""

WIDEN = """\
/* Numbers of 8 bits as the upper half of 16. */
static void widen(int16_t *to, const TABLE int8_t *from, int count)
{
    for (int k = 0; k < count; k++) to[k] = (int16_t)(from[k] * 256);
}
"""
