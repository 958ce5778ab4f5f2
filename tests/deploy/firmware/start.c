/* What runs before main on any Cortex-M: the vectors, the FPU, and memory. */
#include "firmware.h"
#include "semihosting.h"

/* From sections.ld. */
extern uint32_t data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern const uint32_t data_image[];

static void reset(void)
{
#ifdef __ARM_FP
    /* CPACR: full access to the FPU, before the first instruction that needs it */
    *(volatile uint32_t *)0xE000ED88 |= UINT32_C(0xF) << 20;
    __asm__ volatile("dsb\n\tisb" : : : "memory");
#endif
    const uint32_t *from = data_image;
    for (uint32_t *to = data_start; to < data_end; to++) *to = *from++;
    for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
    host_exit((uint32_t)main());
}

static void fault(void)
{
    host_exit(FAULT);
}

/* The exceptions that a program can cause; no interrupt is ever enabled. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[6])(void);
} vectors = {stack_top, {reset, fault, fault, fault, fault, fault}};
