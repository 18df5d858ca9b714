/* How `sluice dlq` prints dead letters. Text from outside never reaches the terminal as a control character.
 */
#ifndef SLUICE_APP_DLQ_PRINT_H
#define SLUICE_APP_DLQ_PRINT_H

#include "deliver/state.h"

/* On one line of standard output. */
void dlq_print_line(const struct state_dead_letter *letter);
/* All of it, as one JSON object over several lines. Its `input` is the message's payload: as JSON if it is
 * that, else as a string; bytes that are no text are `inputBase64`. */
void dlq_print_letter(const struct state_dead_letter *letter);

#endif
