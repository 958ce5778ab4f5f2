/* A cell as data: what it has, and what each buffer of a sequence must hold. */
#ifndef SLIM_CELL_H
#define SLIM_CELL_H

#include "slimrnn.h"

static inline int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

/* Floats to which vectors are padded: as many as the widest vector of this machine,
 * whatever the instruction set in use, so that a tape does not depend on it. */
int slim_padding(void);

/* 0, or SLIM_BAD_CELL, or SLIM_BAD_SIZE. */
int slim_check_cell(const slim_cell *);

/* The same for a sequence, of which the first buffers (forward) are used, or all
 * (backward); or SLIM_BAD_BUFFER and more. */
int slim_check_sequence(const slim_cell *, const slim_sequence *, int backward);

/* Whether the backward pass needs c on the tape. It can do without where the forget
 * gate is constant and h = g(c). */
int slim_keeps_c(const slim_cell *);

/* Whether a gate's sums have h in them; whether those of any gate have. */
int slim_gate_reads_h(const slim_cell *, int k);
int slim_reads_h(const slim_cell *);

/* Whether many steps are computed at once: no gate reads h, and the rows alone would not
 * fill a processor's vectors. */
int slim_scans(const slim_cell *, int rows);

/* Rows and columns of a gate's block of a weight. */
int64_t slim_weight_rows(const slim_cell *, int weight);
int64_t slim_weight_columns(const slim_cell *, int weight);

/* Floats of the tape for one batch row. A block of rows begins with SLIM_HEAD floats a
 * row, the first of which tell how many rows and steps it has: so that a tape that was
 * cut in another way (a batch sharded differently, say) is refused and not misread. */
enum { SLIM_HEAD = 16 };
int64_t slim_tape_row(const slim_cell *, int64_t time);

#endif
