#include "app/package.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *patterns[4];
    const char *path;
    bool taken;
} rows[] = {
    {"everything without patterns", {NULL}, "lib/a.js", true},
    {"hidden files too", {NULL}, "lib/.a.js", true},
    {"no git", {NULL}, ".git/objects/ab/cd", false},
    {"no secrets", {NULL}, ".env.production", false},
    {"unless they are named", {".env.production"}, ".env.production", true},
    {"no private keys", {NULL}, "greenhouse.key", false},
    {"nor below", {NULL}, "certs/a/greenhouse.key", false},
    {"unless they are asked for", {"certs/*.key"}, "certs/greenhouse.key", true},
    {"not the configuration", {NULL}, "serverless.yml", false},
    {"its name below is code", {NULL}, "lib/serverless.yml", true},
    {"left out", {"!test/**"}, "test/a.js", false},
    {"left out, deeper", {"!test/**"}, "test/b/c/a.js", false},
    {"left out, elsewhere", {"!test/**"}, "lib/test/a.js", true},
    {"left out anywhere", {"!**/test/**"}, "lib/test/a.js", false},
    {"anywhere is here too", {"!**/test/**"}, "test/a.js", false},
    {"a folder's name alone is no file", {"!test"}, "test/a.js", true},
    {"the last word counts", {"!**", "lib/**"}, "lib/a.js", true},
    {"the last word counts, the other way", {"lib/**", "!**"}, "lib/a.js", false},
    {"nothing else", {"!**", "lib/**"}, "a.js", false},
    {"and an exception of it", {"!**", "lib/**", "!lib/*.md"}, "lib/a.md", false},
    {"which is not deeper", {"!**", "lib/**", "!lib/*.md"}, "lib/b/a.md", true},
    {"* stays in its name", {"!lib/*"}, "lib/b/a.md", true},
    {"* takes what is hidden", {"!lib/*"}, "lib/.a", false},
    {"?", {"!a?.js"}, "ab.js", false},
    {"? is one character", {"!a?.js"}, "a.js", true},
    {"a class", {"!a[0-9].js"}, "a7.js", false},
    {"braces", {"!*.{md,txt}"}, "a.txt", false},
    {"braces, none of them", {"!*.{md,txt}"}, "a.js", true},
    {"braces over folders", {"!{docs,test/**}/*.md"}, "test/a/b.md", false},
    {"braces in braces", {"!a{b,c{d,e}}f"}, "acef", false},
    {"braces after braces", {"!{a,b}/{c,d}"}, "b/c", false},
    {"an empty part", {"!a{,b}.js"}, "a.js", false},
    {"** between folders", {"!a/**/b/**/c"}, "a/x/b/b/y/c", false},
    {"** may be none", {"!a/**/b"}, "a/b", false},
    {"** takes more than it did first", {"!**/b/c"}, "a/b/b/c", false},
    {"** at the end is something", {"!a/**"}, "a", true},
    {"./ is the folder itself", {"!./a.js"}, "a.js", false},
};

static void the_last_pattern_that_matches_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = 0;
        while (count < 4 && rows[i].patterns[count])
            count++;
        if (package_takes(rows[i].patterns, count, rows[i].path) != rows[i].taken)
            fail_msg("%s: %s", rows[i].name, rows[i].path);
    }
}

static void a_pattern_that_cannot_be_meant_is_a_fault(void **state)
{
    char large[PACKAGE_PATTERN_BYTES + 1];
    (void)state;
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_non_null(package_pattern_fault(large));
    large[PACKAGE_PATTERN_BYTES - 1] = '\0';
    assert_null(package_pattern_fault(large));
    assert_non_null(package_pattern_fault("a{b"));
    assert_non_null(package_pattern_fault("a}b{"));
    assert_non_null(package_pattern_fault("{a}{a}{a}{a}{a}"));
    assert_null(package_pattern_fault("{a,b}{c,{d,e}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_pattern_that_matches_counts),
        cmocka_unit_test(a_pattern_that_cannot_be_meant_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
