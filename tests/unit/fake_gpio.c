#include "fake_gpio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct gpio_v2_line_request fake_gpio_request;
int fake_gpio_errno;

/* The linker gives calls of ioctl to it, and ioctl itself is __real_ioctl. */
int __real_ioctl(int descriptor, unsigned long request, ...);
int __wrap_ioctl(int descriptor, unsigned long request, ...);

/* What the descriptor is open on, less `suffix`, and with `other` at its end. */
static void sibling(int descriptor, const char *suffix, const char *other, char ret_path[PATH_MAX])
{
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t len = readlink(link, path, sizeof path - 1);
    int kept = len < 0 ? 0 : (int)((size_t)len - strlen(suffix));
    snprintf(ret_path, PATH_MAX, "%.*s%.16s", kept, path, other);
}

static int get_line(int chip, struct gpio_v2_line_request *request)
{
    char path[PATH_MAX];
    sibling(chip, "", ".events", path);
    fake_gpio_request = *request;
    errno = fake_gpio_errno;
    request->fd = errno ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return request->fd < 0 ? -1 : 0;
}

static int get_values(int line, struct gpio_v2_line_values *values)
{
    char path[PATH_MAX];
    sibling(line, ".events", ".level", path);
    FILE *file = fopen(path, "re");
    errno = ENODEV;
    if (!file)
        return -1;
    values->bits = fgetc(file) == '1';
    fclose(file);
    return 0;
}

int __wrap_ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (request == GPIO_V2_GET_LINE_IOCTL)
        return get_line(descriptor, argument);
    if (request == GPIO_V2_LINE_GET_VALUES_IOCTL)
        return get_values(descriptor, argument);
    return __real_ioctl(descriptor, request, argument);
}
