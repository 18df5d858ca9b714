#include "sluice/error.h"

const char *sluice_error_text(enum sluice_error error)
{
    switch (error) {
    case SLUICE_OK: return "no error";
    case SLUICE_AGAIN: return "not complete yet";
    case SLUICE_FULL: return "a configured limit is reached";
    case SLUICE_INVALID: return "malformed input";
    case SLUICE_TOO_LARGE: return "larger than the configured limit";
    case SLUICE_DENIED: return "not allowed";
    case SLUICE_NOT_FOUND: return "not found";
    case SLUICE_EXISTS: return "already exists";
    case SLUICE_TIMEOUT: return "timed out";
    case SLUICE_CLOSED: return "closed by the other side";
    case SLUICE_IO: return "input/output error";
    case SLUICE_NO_MEMORY: return "out of memory";
    }
    return "unknown error";
}
