#include "app/command_host.h"

#include "app/gateway_internal.h"

#include <time.h>

uint64_t command_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return command_wall_ms();
}

static uint32_t random_word(void *ctx)
{
    uint32_t word;
    gateway_random(ctx, (uint8_t *)&word, sizeof word);
    return word;
}

struct functions_host command_host(uv_loop_t *loop)
{
    return (struct functions_host){.loop = loop, .wall_ms = wall_ms, .random = random_word};
}

static void on_stopped(void *ctx)
{
    (void)ctx; /* the loop has nothing left */
}

void command_stop_functions(struct functions *functions)
{
    functions_stop(functions, on_stopped, NULL);
}
