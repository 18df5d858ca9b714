/* Who may do what: rules, globs, substitutions, and the covering of filters. */
#include "broker/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct identity certificate(const char *name)
{
    struct identity identity = {.kind = IDENTITY_CERTIFICATE};
    snprintf(identity.name, sizeof identity.name, "%s", name);
    return identity;
}

struct row {
    const char *title;
    const char *who, *filter; /* of the one rule */
    const char *name;         /* of the identity */
    const char *client_id;
    const char *topic;
    bool allowed;
    enum identity_kind kind;
};

static const struct row rows[] = {
    {"the device's own", "device:*", "farm/%c/#", "a", "a", "farm/a/t", true, IDENTITY_CERTIFICATE},
    {"another's topic", "device:*", "farm/%c/#", "a", "a", "farm/b/t", false, IDENTITY_CERTIFICATE},
    {"another's Client Identifier", "device:*", "farm/%c/#", "a", "b", "farm/b/t", false,
     IDENTITY_CERTIFICATE},
    {"by name, whatever the Client Identifier", "device:*", "farm/%u/#", "a", "b", "farm/a/t", true,
     IDENTITY_CERTIFICATE},
    {"one device", "device:a", "x", "a", "a", "x", true, IDENTITY_CERTIFICATE},
    {"not that device", "device:a", "x", "b", "b", "x", false, IDENTITY_CERTIFICATE},
    {"case matters", "device:a", "x", "A", "A", "x", false, IDENTITY_CERTIFICATE},
    {"glob in front", "device:*-probe", "x", "north-probe", "i", "x", true, IDENTITY_CERTIFICATE},
    {"glob inside", "device:n*h-p*e", "x", "north-probe", "i", "x", true, IDENTITY_CERTIFICATE},
    {"glob, too much behind", "device:*-probe", "x", "north-probes", "i", "x", false, IDENTITY_CERTIFICATE},
    {"glob, no regular expression", "device:n.*", "x", "north", "i", "x", false, IDENTITY_CERTIFICATE},
    {"a name that is a glob", "device:a", "x", "*", "i", "x", false, IDENTITY_CERTIFICATE},
    {"a certificate without a name", "device:*", "x", "", "i", "x", false, IDENTITY_CERTIFICATE},
    {"anonymous", "anonymous", "x", "", "i", "x", true, IDENTITY_ANONYMOUS},
    {"a device is not anonymous", "anonymous", "x", "a", "a", "x", false, IDENTITY_CERTIFICATE},
    {"anonymous is no device", "device:*", "x", "", "i", "x", false, IDENTITY_ANONYMOUS},
    {"anonymous by Client Identifier", "anonymous", "x/%c", "", "i", "x/i", true, IDENTITY_ANONYMOUS},
    {"wildcard + as Client Identifier", "anonymous", "x/%c", "", "+", "x/i", false, IDENTITY_ANONYMOUS},
    {"wildcard # as Client Identifier", "anonymous", "x/%c", "", "#", "x/i", false, IDENTITY_ANONYMOUS},
    {"levels in a Client Identifier", "anonymous", "x/%c", "", "a/b", "x/a/b", false, IDENTITY_ANONYMOUS},
    {"no Client Identifier", "anonymous", "x/%c", "", "", "x/", false, IDENTITY_ANONYMOUS},
    {"anonymous has no name", "anonymous", "x/%u", "", "i", "x/", false, IDENTITY_ANONYMOUS},
    {"a percent sign is itself", "anonymous", "x/%d", "", "i", "x/%d", true, IDENTITY_ANONYMOUS},
    {"a user", "user:ann", "x/%u", "ann", "i", "x/ann", true, IDENTITY_USER},
    {"another user", "user:ann", "x", "bob", "i", "x", false, IDENTITY_USER},
    {"a user by Client Identifier", "user:*", "x/%c", "ann", "i", "x/i", true, IDENTITY_USER},
    {"a user with a filter as its name", "user:*", "x/%u", "#", "i", "x/i", false, IDENTITY_USER},
    {"a user is no device", "device:*", "x", "ann", "i", "x", false, IDENTITY_USER},
    {"a user is no token", "token:*", "x", "ann", "i", "x", false, IDENTITY_USER},
    {"a user is not anonymous", "anonymous", "x", "ann", "i", "x", false, IDENTITY_USER},
    {"a device is no user", "user:*", "x", "ann", "i", "x", false, IDENTITY_CERTIFICATE},
    {"a token", "token:dash*", "x/%u", "dashboard", "i", "x/dashboard", true, IDENTITY_TOKEN},
    {"a token is no user", "user:*", "x", "ann", "i", "x", false, IDENTITY_TOKEN},
    {"a Client Identifier is no way to $SYS", "user:*", "%c/#", "ann", "$SYS", "$SYS/x", false,
     IDENTITY_USER},
    {"nor is a name", "user:*", "%u/#", "$SYS", "i", "$SYS/x", false, IDENTITY_USER},
    {"a $ further behind is a letter", "user:*", "x/%u", "$SYS", "i", "x/$SYS", true, IDENTITY_USER},
    {"a rule may say it", "user:*", "$SYS/%u", "x", "i", "$SYS/x", true, IDENTITY_USER},
    {"nobody yet", "anonymous", "x", "", "i", "x", false, IDENTITY_UNKNOWN},
};

static void rules_decide_by_who_and_by_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct access *access = access_new();
        assert_int_equal(access_allow(access, row->who, ACCESS_PUBLISH, row->filter), SLUICE_OK);
        struct identity identity = certificate(row->name);
        identity.kind = row->kind;
        struct grants *grants = grants_new(access, &identity, span_from_string(row->client_id));
        access_free(access); /* grants outlive their rules */
        struct span topic = span_from_string(row->topic);
        if (grants_topic(grants, ACCESS_PUBLISH, topic) != row->allowed)
            fail_msg("%s", row->title);
        assert_false(grants_topic(grants, ACCESS_SUBSCRIBE, topic));
        grants_free(grants);
    }
}

static void a_subscription_must_be_covered_as_a_whole(void **state)
{
    (void)state;
    static const struct {
        const char *allowed, *wanted;
        bool granted;
    } table[] = {
        {"home/+", "home/a", true},   {"home/+", "home/+", true},   {"home/+", "home/#", false},
        {"home/#", "home/#", true},   {"home/#", "home/+/x", true}, {"home/#", "#", false},
        {"home/#", "+/x", false},     {"#", "home/#", true},        {"home/a", "home/+", false},
        {"home/#", "homes/x", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct access *access = access_new();
        access_allow(access, "anonymous", ACCESS_SUBSCRIBE, table[i].allowed);
        struct identity identity = {.kind = IDENTITY_ANONYMOUS};
        struct grants *grants = grants_new(access, &identity, SPAN_LITERAL("i"));
        if (grants_filter(grants, ACCESS_SUBSCRIBE, span_from_string(table[i].wanted)) != table[i].granted)
            fail_msg("%s for %s", table[i].wanted, table[i].allowed);
        assert_false(grants_filter(grants, ACCESS_PUBLISH, span_from_string(table[i].wanted)));
        grants_free(grants);
        access_free(access);
    }
}

static void malformed_rules_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *who, *filter;
    } table[] = {{"device:", "x"},      {"", "x"},          {"everyone", "x"},
                 {"device:a", "a/#/b"}, {"device:a", "a+"}, {"device:a", ""},
                 {"user:", "x"},        {"token:", "x"},    {"user", "x"}};
    struct access *access = access_new();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(access_allow(access, table[i].who, ACCESS_PUBLISH, table[i].filter), SLUICE_INVALID);
    access_free(access);
}

static void a_client_id_is_allowed_by_name_or_by_rule(void **state)
{
    (void)state;
    static const struct {
        enum identity_kind kind;
        const char *name, *client_id;
        const char *who, *pattern; /* of the one rule; NULL: none */
        bool allowed;
    } table[] = {
        {IDENTITY_CERTIFICATE, "a", "a", NULL, NULL, true},
        {IDENTITY_CERTIFICATE, "a", "b", NULL, NULL, false},
        {IDENTITY_CERTIFICATE, "a", "b", "device:*", "b", true},
        {IDENTITY_CERTIFICATE, "a", "b", "device:b", "b", false},
        {IDENTITY_CERTIFICATE, "a", "a", "device:*", "b", true},
        {IDENTITY_CERTIFICATE, "a", "a:2", "device:*", "%u:*", true},
        {IDENTITY_CERTIFICATE, "a", "ab", "device:*", "%u:*", false},
        {IDENTITY_CERTIFICATE, "a", "b:2", "device:*", "%u:*", false},
        {IDENTITY_CERTIFICATE, "*", "b:2", "device:*", "%u:*", false},
        {IDENTITY_CERTIFICATE, "a", "a:2", "user:*", "%u:*", false},
        {IDENTITY_USER, "a", "b", NULL, NULL, true},
        {IDENTITY_USER, "a", "b", "user:*", "%u", false},
        {IDENTITY_USER, "a", "a", "user:*", "%u", true},
        {IDENTITY_USER, "a", "b", "token:*", "%u", true},
        {IDENTITY_TOKEN, "a", "b", "token:*", "%u", false},
        {IDENTITY_ANONYMOUS, "", "b", NULL, NULL, true},
        {IDENTITY_ANONYMOUS, "", "b", "anonymous", "guest-*", false},
        {IDENTITY_ANONYMOUS, "", "guest-1", "anonymous", "guest-*", true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct access *access = access_new();
        if (table[i].who)
            assert_int_equal(access_allow_client_id(access, table[i].who, table[i].pattern), SLUICE_OK);
        struct identity identity = certificate(table[i].name);
        identity.kind = table[i].kind;
        if (access_client_id(access, &identity, span_from_string(table[i].client_id)) != table[i].allowed)
            fail_msg("row %zu: %s as %s", i, table[i].name, table[i].client_id);
        access_free(access);
    }
    struct access *access = access_new();
    assert_int_equal(access_allow_client_id(access, "device:*", ""), SLUICE_INVALID);
    assert_int_equal(access_allow_client_id(access, "all", "x"), SLUICE_INVALID);
    access_free(access);
}

static void without_rules_only_the_gateway_itself_may(void **state)
{
    (void)state;
    struct identity anonymous = {.kind = IDENTITY_ANONYMOUS}, internal = {.kind = IDENTITY_INTERNAL};
    struct grants *none = grants_new(NULL, &anonymous, SPAN_LITERAL("i"));
    struct grants *all = grants_new(NULL, &internal, SPAN_LITERAL("i"));
    assert_false(grants_topic(none, ACCESS_PUBLISH, SPAN_LITERAL("x")));
    assert_true(grants_topic(all, ACCESS_PUBLISH, SPAN_LITERAL("x")));
    assert_true(grants_filter(all, ACCESS_SUBSCRIBE, SPAN_LITERAL("#")));
    grants_free(none);
    grants_free(all);
}

static void an_owner_is_known_by_kind_and_name(void **state)
{
    (void)state;
    struct identity a = certificate("a"), renewed = certificate("a"), b = certificate("b");
    struct identity anonymous = {.kind = IDENTITY_ANONYMOUS};
    struct identity nameless = certificate(""), other_nameless = certificate("");
    snprintf(renewed.fingerprint, sizeof renewed.fingerprint, "ff");
    snprintf(other_nameless.fingerprint, sizeof other_nameless.fingerprint, "ff");
    assert_true(identity_same(&a, &renewed));
    assert_true(identity_same(&anonymous, &anonymous));
    assert_false(identity_same(&a, &b));
    assert_false(identity_same(&a, &anonymous));
    assert_false(identity_same(&nameless, &other_nameless));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_decide_by_who_and_by_what),
        cmocka_unit_test(a_subscription_must_be_covered_as_a_whole),
        cmocka_unit_test(malformed_rules_are_refused),
        cmocka_unit_test(a_client_id_is_allowed_by_name_or_by_rule),
        cmocka_unit_test(without_rules_only_the_gateway_itself_may),
        cmocka_unit_test(an_owner_is_known_by_kind_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
