/*
 * The most memory that a worker has held: the peaks of its process and of those
 * that it has started and that still run (VmHWM of /proc), added. What they share
 * counts for each. As Lambda's Max Memory Used it is of the worker's whole life and
 * not of one invocation. Reads a few files of /proc, some ten microseconds each.
 */
#ifndef SLUICE_INVOKE_MEMORY_PEAK_H
#define SLUICE_INVOKE_MEMORY_PEAK_H

#include <stdint.h>

/* 0: it is gone, or the system does not say. Of very many processes the first 32 count. */
uint64_t memory_peak_bytes(int pid);

#endif
