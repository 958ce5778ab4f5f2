/* Calls to the host by way of the debugger, as Arm's semihosting defines them. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

enum { READ_BINARY = 1, WRITE_BINARY = 5 };

/* A file of the host's current folder; below 0 if it cannot be opened. */
int32_t host_open(const char *name, uint32_t mode);

/* The number of bytes that are missing: 0 if all were read, or written. */
uint32_t host_read(int32_t file, void *to, uint32_t bytes);
uint32_t host_write(int32_t file, const void *from, uint32_t bytes);

/* End the emulator with this exit status. */
void host_exit(uint32_t status) __attribute__((noreturn));

#endif
