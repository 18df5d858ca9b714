/* CRC-32 as of IEEE 802.3 ("123456789" gives 0xCBF43926), by a table of 64 bytes. */
#ifndef SLUICE_CLIENT_CRC32_H
#define SLUICE_CLIENT_CRC32_H

#include "wire/span.h"

/* `before` is the result for the bytes that came before these, or 0. */
uint32_t crc32_of(uint32_t before, struct span bytes);

#endif
