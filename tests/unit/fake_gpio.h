/*
 * A GPIO chip without hardware, behind ioctl (the program is linked with
 * --wrap=ioctl): the chip is a file CHIP, the level of all its lines is the number in
 * CHIP.level, and their events come out of the FIFO CHIP.events. Without CHIP.level
 * the chip is unplugged.
 */
#ifndef SLUICE_TESTS_FAKE_GPIO_H
#define SLUICE_TESTS_FAKE_GPIO_H

#include <linux/gpio.h>

extern struct gpio_v2_line_request fake_gpio_request; /* the last one */
extern int fake_gpio_errno;                           /* what requests fail with; 0: they do not */

#endif
