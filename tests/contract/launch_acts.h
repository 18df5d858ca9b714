/*
 * What launch_test.c has confined processes try. An act gives 0 when it could be
 * done, else the errno that it was refused with, which becomes the exit status.
 */
#ifndef SLUICE_TEST_LAUNCH_ACTS_H
#define SLUICE_TEST_LAUNCH_ACTS_H

/* `argument` is a path, a process or a number, by act; an unknown act ends the process. */
int launch_act(const char *act, const char *argument);

#endif
