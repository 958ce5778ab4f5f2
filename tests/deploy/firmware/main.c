/* Runs the models of a list on sequences of the host, and tells what they cost.
 *
 * File "inputs": for each model its sequences, each as int32 steps, 1 or more, and
 * steps times x; 0 ends them. File "outputs": y after each step. File "counts": a
 * struct counts for each sequence.
 */
#include "firmware.h"
#include "semihosting.h"

/* The core's timer, which counts down; the emulator lets it count instructions, up to
 * 600 million of them. */
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
enum { CONTROL, RELOAD, VALUE, TIMER_END = 0xFFFFFF };

struct counts {
    uint32_t step_ticks; /* of all steps */
    uint32_t output_ticks; /* of as many outputs */
    uint32_t stack; /* bytes, of steps and outputs with what calls them */
};

/* From sections.ld: all free memory below the stack is for a sequence. */
extern uint32_t free_start[], stack_bottom[];
static uint32_t *const x = free_start;

static const uint32_t PAINT = 0xA5A5A5A5;
static uint32_t y[64];
static int32_t inputs, outputs, counts;

static uint32_t ticks(void)
{
    return TIMER_END - systick[VALUE];
}

static uint32_t ticks_since(uint32_t start)
{
    return (ticks() - start) & TIMER_END;
}

static void read(void *to, uint32_t bytes)
{
    if (host_read(inputs, to, bytes) != 0) host_exit(NO_INPUT);
}

static void write(int32_t file, const void *from, uint32_t bytes)
{
    if (host_write(file, from, bytes) != 0) host_exit(NOT_WRITTEN);
}

/* Count a sequence from its beginning. The stack is painted before; no interrupt writes
 * below its pointer. */
static struct counts measure(const struct model *model, int32_t steps)
{
    struct counts count;
    volatile uint32_t *top, *word = stack_bottom;

    model->reset();
    __asm__ volatile("mov %0, sp" : "=r"(top));
    while (word < top) *word++ = PAINT;

    uint32_t start = ticks();
    model->steps(x, steps);
    count.step_ticks = ticks_since(start);
    start = ticks();
    model->outputs(y, steps);
    count.output_ticks = ticks_since(start);

    word = stack_bottom;
    if (*word != PAINT) host_exit(STACK_FULL);
    while (*word == PAINT) word++;
    count.stack = (uint32_t)(top - word) * sizeof *word;
    return count;
}

/* The outputs, from the beginning again. */
static void run(const struct model *model, int32_t steps)
{
    const char *step = (const char *)x;

    model->reset();
    for (int32_t t = 0; t < steps; t++, step += model->input_bytes) {
        model->steps(step, 1);
        model->outputs(y, 1);
        write(outputs, y, model->output_bytes);
    }
}

int main(void)
{
    inputs = host_open("inputs", READ_BINARY);
    outputs = host_open("outputs", WRITE_BINARY);
    counts = host_open("counts", WRITE_BINARY);
    if (inputs < 0 || outputs < 0 || counts < 0) return NO_FILES;
    systick[RELOAD] = TIMER_END;
    systick[VALUE] = 0;
    systick[CONTROL] = 5; /* on, by the core's clock, without interrupts */

    for (uint32_t k = 0; k < model_count; k++) {
        const struct model *model = &models[k];
        if (model->output_bytes > sizeof y) return TOO_LONG;
        int32_t steps;
        for (read(&steps, sizeof steps); steps > 0; read(&steps, sizeof steps)) {
            const uint32_t bytes = (uint32_t)steps * model->input_bytes;
            if (bytes > (uintptr_t)stack_bottom - (uintptr_t)x) return TOO_LONG;
            read(x, bytes);
            const struct counts count = measure(model, steps);
            write(counts, &count, sizeof count);
            run(model, steps);
        }
    }
    return DONE;
}
