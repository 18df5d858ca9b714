/*
 * A line of a GPIO chip, by the kernel's character device (linux/gpio.h, uAPI v2).
 * It is requested when it is first read, and again when the chip went away and
 * came back. Reading never waits.
 */
#ifndef SLUICE_AGENT_GPIO_H
#define SLUICE_AGENT_GPIO_H

#include <stdbool.h>
#include <stdint.h>

enum gpio_report {
    GPIO_LEVEL,
    GPIO_COUNT,  /* rising edges since the last reading */
    GPIO_URGENT, /* the level, and edges can be waited for on the descriptor */
};

enum gpio_bias {
    GPIO_AS_IS,
    GPIO_PULL_UP,
    GPIO_PULL_DOWN,
    GPIO_NO_BIAS,
};

struct gpio {
    uint32_t line;
    enum gpio_report report;
    enum gpio_bias bias;
    bool active_low;
    uint32_t debounce_ms;

    int descriptor;      /* of the line; -1: not requested */
    uint32_t edge_count; /* since it was requested, as far as is known */
    uint32_t told_count; /* of them, in readings */
};

/* False: it cannot be read now; errno says why. */
bool gpio_read(struct gpio *gpio, const char *chip, double *ret_number);
/* Takes what the descriptor has; true if there were edges, or it broke, which the next reading finds out. */
bool gpio_has_edge(struct gpio *gpio);
void gpio_close(struct gpio *gpio);

#endif
