/* See semihosting.h. */
#include "semihosting.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { ADP_STOPPED_APPLICATION_EXIT = 0x20026 };

static int32_t call(int32_t operation, const uintptr_t *arguments)
{
    register int32_t r0 __asm__("r0") = operation;
    register const uintptr_t *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int32_t host_open(const char *name, uint32_t mode)
{
    uint32_t length = 0;
    while (name[length]) length++;
    const uintptr_t arguments[] = {(uintptr_t)name, mode, length};
    return call(SYS_OPEN, arguments);
}

uint32_t host_read(int32_t file, void *to, uint32_t bytes)
{
    const uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)to, bytes};
    return (uint32_t)call(SYS_READ, arguments);
}

uint32_t host_write(int32_t file, const void *from, uint32_t bytes)
{
    const uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)from, bytes};
    return (uint32_t)call(SYS_WRITE, arguments);
}

void host_exit(uint32_t status)
{
    /* SYS_EXIT would carry no status. */
    const uintptr_t arguments[] = {ADP_STOPPED_APPLICATION_EXIT, status};
    for (;;) call(SYS_EXIT_EXTENDED, arguments);
}
