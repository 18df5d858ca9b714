#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "app/file.h"
#include "app/versions.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct versions *read_text(const char *text)
{
    char path[] = "/tmp/sluice-versions-XXXXXX", fault[VERSIONS_TEXT_BYTES] = "";
    int fd = mkstemp(path);
    struct versions *versions = NULL;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    enum sluice_error error = versions_read(path, &versions, fault);
    unlink(path);
    assert_int_equal(error != SLUICE_OK, versions == NULL);
    assert_int_equal(error != SLUICE_OK, fault[0] != '\0');
    return versions;
}

static struct versions *none(void)
{
    struct versions *versions;
    char text[VERSIONS_TEXT_BYTES];
    assert_int_equal(versions_read("/nowhere/versions.json", &versions, text), SLUICE_NOT_FOUND);
    return versions;
}

static struct version some_version(char *code)
{
    static char *environment[] = {"A=\"1\"\n", "B="};
    return (struct version){.deployed_ms = 1700000000000,
                            .code = code,
                            .handler = "app.handler",
                            .runtime = "nodejs20.x",
                            .timeout_ms = 500,
                            .memory_mb = 128,
                            .environment = {environment, 2}};
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct version a = some_version("aa"), b = some_version("bb");
    struct versions *versions = none();
    versions_add(versions, "one", &a);
    versions_add(versions, "one", &b);
    versions_add(versions, "two", &b);
    versions_find(versions, SPAN_LITERAL("one"))->live = 2;
    struct buffer text = {0};
    versions_write(versions, &text);
    buffer_append(&text, span_of("", 1));
    struct versions *again = read_text((const char *)buffer_span(&text).data);
    assert_non_null(again);
    const struct versions_function *one = versions_find(again, SPAN_LITERAL("one"));
    assert_int_equal(one->live, 2);
    assert_int_equal(one->count, 2);
    assert_true(version_equal(versions_number(one, 1), &a));
    assert_true(version_equal(versions_number(one, 2), &b));
    assert_false(version_equal(versions_number(one, 1), &b));
    assert_int_equal(one->items[0].deployed_ms, a.deployed_ms);
    assert_int_equal(versions_before(one)->number, 1);
    assert_int_equal(versions_find(again, SPAN_LITERAL("two"))->live, 0);
    assert_null(versions_find(again, SPAN_LITERAL("three")));
    buffer_fini(&text);
    versions_free(versions);
    versions_free(again);
}

static void the_oldest_go_but_never_the_live_one(void **state)
{
    (void)state;
    struct version version = some_version("aa");
    struct versions *versions = none();
    for (int i = 0; i < 5; i++)
        versions_add(versions, "one", &version);
    struct versions_function *one = versions_find(versions, SPAN_LITERAL("one"));
    one->live = 1;
    versions_bound(one, 3, 0);
    assert_int_equal(one->count, 3);
    assert_non_null(versions_number(one, 1));
    assert_non_null(versions_number(one, 4));
    assert_null(versions_before(one));
    one->live = 5;
    versions_bound(one, 1, 1); /* a deploy after a rollback to 1 */
    assert_int_equal(one->count, 2);
    assert_non_null(versions_number(one, 1));
    versions_bound(one, 1, 0);
    assert_int_equal(one->count, 1);
    assert_int_equal(versions_add(versions, "one", &version)->number, 6); /* no number is given twice */
    versions_free(versions);
}

static void what_cannot_be_a_list_of_versions_is_refused(void **state)
{
#define VERSION(number, code)                                                                                \
    "{\"version\":" number ",\"code\":\"" code                                                               \
    "\",\"handler\":\"h\",\"runtime\":\"native\",\"timeoutMs\":1,\"memoryMb\":16}"
    static const struct {
        const char *name, *text;
        bool good;
    } rows[] = {
        {"good", "{\"f\":{\"live\":1,\"last\":2,\"versions\":[" VERSION("1", "ab") "]}}", true},
        {"nothing", "{}", true},
        {"cut", "{\"f\":{\"live\":1,\"last\":2,\"versions\":[", false},
        {"zeros", "", false},
        {"another document", "[]", false},
        {"live is none of them", "{\"f\":{\"live\":2,\"last\":2,\"versions\":[" VERSION("1", "ab") "]}}",
         false},
        {"given twice",
         "{\"f\":{\"live\":1,\"last\":1,\"versions\":[" VERSION("1", "ab") "," VERSION("1", "cd") "]}}",
         false},
        {"never given", "{\"f\":{\"live\":1,\"last\":0,\"versions\":[" VERSION("1", "ab") "]}}", false},
        {"code elsewhere", "{\"f\":{\"live\":1,\"last\":1,\"versions\":[" VERSION("1", "../x") "]}}", false},
        {"no code", "{\"f\":{\"live\":1,\"last\":1,\"versions\":[" VERSION("1", "") "]}}", false},
        {"no number", "{\"f\":{\"live\":1,\"last\":1,\"versions\":[" VERSION("-1", "ab") "]}}", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct versions *versions = read_text(rows[i].text);
        if ((versions != NULL) != rows[i].good)
            fail_msg("%s", rows[i].name);
        versions_free(versions);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_oldest_go_but_never_the_live_one),
        cmocka_unit_test(what_cannot_be_a_list_of_versions_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
