#include "agent/gpio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Of ioctl: its type is the C library's choice, the kernel looks at 32 bits. */
#ifdef __GLIBC__
typedef unsigned long control_request;
#else
typedef int control_request;
#endif

static uint64_t flags_of(const struct gpio *gpio)
{
    static const uint64_t biases[] = {[GPIO_AS_IS] = 0,
                                      [GPIO_PULL_UP] = GPIO_V2_LINE_FLAG_BIAS_PULL_UP,
                                      [GPIO_PULL_DOWN] = GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN,
                                      [GPIO_NO_BIAS] = GPIO_V2_LINE_FLAG_BIAS_DISABLED};
    static const uint64_t edges[] = {[GPIO_LEVEL] = 0,
                                     [GPIO_COUNT] = GPIO_V2_LINE_FLAG_EDGE_RISING,
                                     [GPIO_URGENT] =
                                         GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING};
    return GPIO_V2_LINE_FLAG_INPUT | biases[gpio->bias] | edges[gpio->report] |
           (gpio->active_low ? GPIO_V2_LINE_FLAG_ACTIVE_LOW : 0);
}

/* The request, on the chip's descriptor. */
static bool request(struct gpio *gpio, int chip)
{
    struct gpio_v2_line_request line = {.offsets = {gpio->line}, .consumer = "sluice-agent", .num_lines = 1};
    line.config.flags = flags_of(gpio);
    if (gpio->debounce_ms > 0 && gpio->report != GPIO_LEVEL) {
        line.config.num_attrs = 1;
        line.config.attrs[0].mask = 1;
        line.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE;
        line.config.attrs[0].attr.debounce_period_us = gpio->debounce_ms * 1000;
    }
    if (ioctl(chip, (control_request)GPIO_V2_GET_LINE_IOCTL, &line))
        return false;
    gpio->descriptor = line.fd;
    gpio->edge_count = gpio->told_count = 0;
    fcntl(gpio->descriptor, F_SETFL, O_NONBLOCK);
    return true;
}

static bool open_line(struct gpio *gpio, const char *path)
{
    int chip = open(path, O_RDWR | O_CLOEXEC);
    if (chip < 0)
        return false;
    bool requested = request(gpio, chip);
    int error = errno;
    close(chip);
    errno = error;
    return requested;
}

void gpio_close(struct gpio *gpio)
{
    if (gpio->descriptor >= 0)
        close(gpio->descriptor);
    gpio->descriptor = -1;
}

/* The kernel counts edges also where its queue of events is full, so the last event tells them all. */
bool gpio_has_edge(struct gpio *gpio)
{
    struct gpio_v2_line_event events[16];
    uint32_t before = gpio->edge_count;
    ssize_t len = 0;
    while (gpio->descriptor >= 0 &&
           (len = read(gpio->descriptor, events, sizeof events)) >= (ssize_t)sizeof events[0])
        gpio->edge_count = events[(size_t)len / sizeof events[0] - 1].line_seqno;
    return gpio->edge_count != before || (len < 0 && errno != EAGAIN && errno != EINTR);
}

static bool read_level(struct gpio *gpio, double *ret_number)
{
    struct gpio_v2_line_values values = {.mask = 1};
    if (ioctl(gpio->descriptor, (control_request)GPIO_V2_LINE_GET_VALUES_IOCTL, &values))
        return false;
    *ret_number = (double)(values.bits & 1);
    return true;
}

/* Also where edges are counted the level is read: it tells that the chip is gone. */
bool gpio_read(struct gpio *gpio, const char *chip, double *ret_number)
{
    double level;
    if (gpio->descriptor < 0 && !open_line(gpio, chip))
        return false;
    if (!read_level(gpio, &level)) {
        int error = errno;
        gpio_close(gpio);
        errno = error;
        return false;
    }
    if (gpio->report == GPIO_COUNT) {
        gpio_has_edge(gpio);
        *ret_number = gpio->edge_count - gpio->told_count;
        gpio->told_count = gpio->edge_count;
    } else {
        *ret_number = level;
    }
    return true;
}
