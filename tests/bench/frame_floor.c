#include "frame_floor.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES_MAX = 4096 };

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Bits that an ideal code with a known distribution needs for these numbers. */
static double entropy_bits(int64_t numbers[], size_t count)
{
    double bits = 0;
    qsort(numbers, count, sizeof *numbers, compare);
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && numbers[i + run] == numbers[i]; run++)
            ;
        bits += (double)run * log2((double)count / (double)run);
    }
    return bits;
}

double frame_floor_bytes(const int64_t times_ms[], const struct frame_value *values, size_t sample_count,
                         size_t channel_count, size_t stride)
{
    static int64_t steps[SAMPLES_MAX];
    size_t count = 0;
    for (size_t i = 2; i < sample_count; i++)
        steps[count++] = times_ms[i] - 2 * times_ms[i - 1] + times_ms[i - 2];
    double bits = entropy_bits(steps, count);
    for (size_t column = 0; column < channel_count; column++) {
        count = 0;
        for (size_t i = 1; i < sample_count; i++)
            steps[count++] = values[i * stride + column].number - values[(i - 1) * stride + column].number;
        bits += entropy_bits(steps, count);
    }
    return bits / 8;
}
