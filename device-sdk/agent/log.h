/* The agent's log: one line a call to standard error, where service managers look for it. */
#ifndef SLUICE_AGENT_LOG_H
#define SLUICE_AGENT_LOG_H

void agent_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
