/* A directory tree that stands for a board's /sys, /proc and /dev, and the agent's log, for the tests of its
 * sensors. */
#ifndef SLUICE_TESTS_BOARD_FIXTURE_H
#define SLUICE_TESTS_BOARD_FIXTURE_H

extern char board_root[64];      /* where the tree is */
extern unsigned board_log_count; /* lines that the agent has logged, */
extern char board_log_line[512]; /* and the last of them */

/* Makes an empty tree, for a test's set-up; 0, or -1. */
int board_make(void);
/* Removes it, for the tear-down. */
int board_remove(void);
/* The path of what is in the tree, until the second call after this one. */
const char *board_path(const char *name);
/* Writes a file in the tree, with the directories that it needs. */
void board_put(const char *name, const char *text);

#endif
