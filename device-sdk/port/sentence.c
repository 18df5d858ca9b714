#include "port/sentence.h"

#include <string.h>

enum { DIGITS_MAX = 3 * sizeof(unsigned) };

/* The number's digits end where `end` is. */
static const char *digits_of(unsigned number, unsigned base, char *end)
{
    *end = '\0';
    do
        *--end = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    return end;
}

size_t sentence_write_arguments(char *ret_text, size_t capacity_bytes, const char *format, va_list arguments)
{
    char digits[DIGITS_MAX + 1];
    size_t whole_bytes = 0, len;
    for (; *format; format += len) {
        const char *part = format;
        size_t part_bytes = len = strcspn(format, "%");
        if (len == 0) {
            len = 2;
            part = format[1] == 's' ? va_arg(arguments, const char *)
                                    : digits_of(va_arg(arguments, unsigned), format[1] == 'u' ? 10 : 16,
                                                digits + DIGITS_MAX);
            part_bytes = strlen(part);
        }
        if (whole_bytes < capacity_bytes) {
            size_t room = capacity_bytes - whole_bytes;
            memcpy(ret_text + whole_bytes, part, part_bytes < room ? part_bytes : room);
        }
        whole_bytes += part_bytes;
    }
    ret_text[whole_bytes < capacity_bytes ? whole_bytes : capacity_bytes - 1] = '\0';
    return whole_bytes;
}

size_t sentence_write(char *ret_text, size_t capacity_bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t len = sentence_write_arguments(ret_text, capacity_bytes, format, arguments);
    va_end(arguments);
    return len;
}
