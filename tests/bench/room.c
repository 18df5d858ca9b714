#include "room.h"

#include <math.h>

const struct room_channel room_channels[ROOM_CHANNELS] = {
    {"temperature", "Cel", 2, 21.5, 0.02, 0.8, 0.01},
    {"humidity", "%RH", 1, 45, 0.1, 2, 0.05},
    {"pressure", "hPa", 2, 1013.25, 0.02, 0.3, 0.02},
    {"battery", "V", 3, 3.912, 0.0002, -0.01, 0.0008},
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* About normal, with a standard deviation of 1: the sum of 12 uniform numbers. */
static double random_normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(random_next(state) >> 11) / 9007199254740992.0;
    return sum;
}

void room_series(uint64_t seed, double ret_values[ROOM_SAMPLES][ROOM_CHANNELS])
{
    for (size_t column = 0; column < ROOM_CHANNELS; column++) {
        const struct room_channel *channel = &room_channels[column];
        double walk = channel->start;
        for (size_t i = 0; i < ROOM_SAMPLES; i++) {
            walk += channel->step * random_normal(&seed);
            ret_values[i][column] =
                walk + channel->wave * sin((double)i / 57.3) + channel->noise * random_normal(&seed);
        }
    }
}
