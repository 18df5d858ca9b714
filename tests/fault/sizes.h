/*
 * What a process and a folder take, for tests that watch them. What cannot
 * be read ends the program with status 1 and a sentence.
 */
#ifndef SIZES_H
#define SIZES_H

#include <stdint.h>
#include <sys/types.h>

/* The resident set of a process. */
uint64_t resident_bytes(pid_t pid);
/* The largest that it was. */
uint64_t peak_resident_bytes(pid_t pid);
/* Its processor time, user and system; not its children's. */
uint64_t processor_ms(pid_t pid);
/* Of the files in a folder, without those in folders of its own. */
uint64_t folder_bytes(const char *path);

#endif
