#include "base/crc32c.h"

#if defined(__x86_64__)
#    include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t update_by_instruction(uint32_t crc, struct span bytes)
{
    uint64_t state = crc;
    while (bytes.len >= 8) {
        uint64_t word;
        memcpy(&word, bytes.data, sizeof word);
        state = _mm_crc32_u64(state, word);
        bytes = span_skip(bytes, 8);
    }
    crc = (uint32_t)state;
    for (size_t i = 0; i < bytes.len; i++)
        crc = _mm_crc32_u8(crc, bytes.data[i]);
    return crc;
}

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__) && defined(__linux__)
#    include <arm_acle.h>
#    include <sys/auxv.h>

__attribute__((target("+crc"))) static uint32_t update_by_instruction(uint32_t crc, struct span bytes)
{
    while (bytes.len >= 8) {
        uint64_t word;
        memcpy(&word, bytes.data, sizeof word);
        crc = __crc32cd(crc, word);
        bytes = span_skip(bytes, 8);
    }
    for (size_t i = 0; i < bytes.len; i++)
        crc = __crc32cb(crc, bytes.data[i]);
    return crc;
}

static bool has_instruction(void)
{
    return getauxval(AT_HWCAP) & (1UL << 7); /* HWCAP_CRC32 */
}

#else

static uint32_t update_by_instruction(uint32_t crc, struct span bytes)
{
    (void)bytes;
    return crc;
}

static bool has_instruction(void)
{
    return false;
}

#endif

/* Four bits a step: 64 bytes of table, which a small board's cache hardly feels. */
uint32_t crc32c_by_table(uint32_t crc, struct span bytes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

uint32_t crc32c(uint32_t crc, struct span bytes)
{
    return has_instruction() ? ~update_by_instruction(~crc, bytes) : crc32c_by_table(crc, bytes);
}
