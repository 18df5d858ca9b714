#include "worker/complaints.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    INTERVAL_MS = 60 * 1000,
    LINE_BYTES = 1024,
};

void worker_say(struct worker *worker, enum worker_log_level level, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    worker_send_log(worker, 0, level, line);
}

void complaints_say(struct complaints *complaints, struct worker *worker, uint64_t now_ms, const char *reason)
{
    if (complaints->any && now_ms - complaints->last_ms < INTERVAL_MS) {
        complaints->silent_count++;
        return;
    }
    if (complaints->silent_count > 0)
        worker_say(worker, WORKER_LOG_WARNING, "%s (and %llu times since the last line)", reason,
                   (unsigned long long)complaints->silent_count);
    else
        worker_say(worker, WORKER_LOG_WARNING, "%s", reason);
    *complaints = (struct complaints){.any = true, .last_ms = now_ms};
}
