/* Models under measurement: what main.c runs, and how a model gets into its list. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include <stdint.h>

/* Exit statuses; see STATUSES in benchmarks/firmware/emulator.py. */
enum { DONE, NO_FILES, NO_INPUT, TOO_LONG, NOT_WRITTEN, STACK_FULL, FAULT };

int main(void);

struct model {
    void (*reset)(void);
    void (*steps)(const void *x, int32_t count); /* x (count, m) */
    void (*outputs)(void *y, int32_t count); /* y (n), the same each time */
    uint32_t input_bytes; /* of x, for a step */
    uint32_t output_bytes; /* of y */
};

extern const struct model models[];
extern const uint32_t model_count;

/* The functions of a model that was exported as NAME. Its state is memory.NAME, where
 * memory is a union: only one model runs at a time. */
#define MODEL_FUNCTIONS(name, NAME, input)                                           \
    static void name##_begin(void)                                                   \
    {                                                                                \
        name##_reset(&memory.name);                                                  \
    }                                                                                \
    static void name##_steps(const void *x, int32_t count)                           \
    {                                                                                \
        const input *step = x;                                                       \
        for (; count > 0; count--, step += NAME##_INPUTS) {                          \
            name##_step(&memory.name, step);                                         \
        }                                                                            \
    }                                                                                \
    static void name##_outputs(void *y, int32_t count)                               \
    {                                                                                \
        for (; count > 0; count--) name##_output(&memory.name, y);                   \
    }

/* Its place in the list. */
#define MODEL(name, NAME, input, output)                                             \
    {                                                                                \
        name##_begin, name##_steps, name##_outputs, NAME##_INPUTS * sizeof(input),   \
            NAME##_OUTPUTS * sizeof(output)                                          \
    }

#endif
