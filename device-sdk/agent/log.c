#include "agent/log.h"

#include <stdarg.h>
#include <stdio.h>

void agent_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("sluice-agent: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}
