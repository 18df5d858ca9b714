/*
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4), by the CPU's own instruction
 * where it has one (SSE 4.2, ARMv8 CRC), else by a table. Pure; any thread.
 */
#ifndef SLUICE_BASE_CRC32C_H
#define SLUICE_BASE_CRC32C_H

#include "wire/span.h"

/* Continues `crc` over `bytes`; start with 0. The same as over both parts at once. */
uint32_t crc32c(uint32_t crc, struct span bytes);
/* What crc32c does where the CPU has no instruction for it. */
uint32_t crc32c_by_table(uint32_t crc, struct span bytes);

#endif
