/*
 * Which files of a folder belong to a function's package: `package.patterns`, as
 * Serverless Framework has them. Everything does at first, but for what never
 * should; then each pattern, in its order, takes in what it matches, or with a !
 * before it leaves that out, and the last word counts. `*` and `?` stand for
 * characters of one name, hidden or not, `**` for any number of folders, `[a-z]`
 * and `{a,b}` for one of those. A pattern is about files: `folder/` followed by
 * two asterisks is all that is in a folder.
 *
 * Any thread; nothing is kept. Limits: a pattern of PACKAGE_PATTERN_BYTES, and
 * PACKAGE_BRACES in it.
 */
#ifndef SLUICE_APP_PACKAGE_H
#define SLUICE_APP_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>

enum { PACKAGE_PATTERN_BYTES = 512, PACKAGE_BRACES = 4 };

/* NULL, or what is wrong with it. */
const char *package_pattern_fault(const char *pattern);
/* `path` is below the folder. */
bool package_takes(const char *const *patterns, size_t count, const char *path);

#endif
