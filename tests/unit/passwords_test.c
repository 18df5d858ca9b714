/* The password file and SCRAM-SHA-256: the form of RFC 5803, the conversation of RFC 7677, and what is
 * refused. */
#include "app/passwords.h"
#include "app/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <mbedtls/base64.h>

/* The entry of RFC 7677's example: the user "user" with the password "pencil". */
#define RFC_SALT_TEXT    "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define RFC_SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_NONCE        RFC_CLIENT_NONCE RFC_SERVER_NONCE
#define RFC_PROOF        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static const uint8_t fake_key[32] = {1, 2, 3};

static struct passwords *rfc_passwords(void)
{
    uint8_t salt[64];
    size_t len;
    struct buffer text = {0};
    char wrong[PASSWORDS_TEXT_BYTES];
    struct passwords *passwords;
    assert_int_equal(
        mbedtls_base64_decode(salt, sizeof salt, &len, (const uint8_t *)RFC_SALT_TEXT, strlen(RFC_SALT_TEXT)),
        0);
    assert_int_equal(len, PASSWORDS_SALT_BYTES);
    struct password user = password_make(SPAN_LITERAL("user"), SPAN_LITERAL("pencil"), salt, 4096);
    struct password comma = password_make(SPAN_LITERAL("a,b=c"), SPAN_LITERAL("pencil"), salt, 4096);
    password_write(&user, &text);
    buffer_append(&text, SPAN_LITERAL("\n# a comment\n"));
    password_write(&comma, &text);
    assert_int_equal(passwords_parse(buffer_span(&text), "file", &passwords, wrong), SLUICE_OK);
    buffer_fini(&text);
    return passwords;
}

/* ---- The file ---- */

static void an_entry_serves_its_password_and_no_other(void **state)
{
    (void)state;
    struct passwords *passwords = rfc_passwords();
    struct password *user = passwords_find(passwords, SPAN_LITERAL("user"));
    static const uint8_t key[32] = {7};
    assert_non_null(user);
    assert_true(password_matches(user, SPAN_LITERAL("pencil")));
    static const char *const wrong[] = {"", "Pencil", "pencil ", "penci", "pencilpencil"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(password_matches(user, span_from_string(wrong[i])));
    assert_false(password_is_remembered(user, key, SPAN_LITERAL("pencil")));
    password_remember(user, key, SPAN_LITERAL("pencil"));
    assert_true(password_is_remembered(user, key, SPAN_LITERAL("pencil")));
    assert_false(password_is_remembered(user, key, SPAN_LITERAL("Pencil")));
    assert_null(passwords_find(passwords, SPAN_LITERAL("use")));
    assert_null(passwords_find(passwords, SPAN_LITERAL("user\0")));
    assert_null(passwords_find(passwords, SPAN_EMPTY));
    assert_false(password_matches(user, SPAN_LITERAL("pencil\0"))); /* HOSTILE.md, 19 */
    assert_false(password_matches(passwords_nobody(passwords), SPAN_LITERAL("pencil")));
    assert_int_equal(passwords_nobody(passwords)->iterations, 4096);
    passwords_free(passwords);
}

/* The keys are what Python's hashlib makes of the same password, salt and iterations. */
static void an_entry_has_the_form_of_rfc_5803(void **state)
{
    (void)state;
    struct passwords *passwords = rfc_passwords();
    struct buffer text = {0};
    password_write(passwords_find(passwords, SPAN_LITERAL("user")), &text);
    buffer_append(&text, SPAN_LITERAL("\0"));
    assert_string_equal((const char *)buffer_span(&text).data,
                        "user:SCRAM-SHA-256$4096:" RFC_SALT_TEXT
                        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n");
    buffer_fini(&text);
    passwords_free(passwords);
}

static void a_damaged_file_is_refused_with_its_line(void **state)
{
    (void)state;
#define KEYS                                                                                                 \
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                                                         \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    static const struct {
        const char *text, *says;
    } table[] = {
        {"user\n", "file:1: the name"},
        {"\n\n:SCRAM-SHA-256$4096:AAAA" KEYS "\n", "file:3: the name"},
        {"a\tb:SCRAM-SHA-256$4096:AAAA" KEYS, "file:1: the name"},
        {"user:pencil\n", "file:1: the secret"},
        {"user:$7$101$AAAA$AAAA\n", "file:1: the secret"},
        {"user:SCRAM-SHA-256$4095:AAAA" KEYS, "file:1: the number"},
        {"user:SCRAM-SHA-256$10000001:AAAA" KEYS, "file:1: the number"},
        {"user:SCRAM-SHA-256$99999999999999999999:AAAA" KEYS, "file:1: the number"},
        {"user:SCRAM-SHA-256$-1:AAAA" KEYS, "file:1: the number"},
        {"user:SCRAM-SHA-256$4096", "file:1: the number"},
        {"user:SCRAM-SHA-256$4096:" KEYS, "file:1: the salt"},
        {"user:SCRAM-SHA-256$4096:A?" KEYS, "file:1: the salt"},
        {"user:SCRAM-SHA-256$4096:AAAA$AAAA:AAAA\n", "file:1: the keys"},
        {"user:SCRAM-SHA-256$4096:AAAA" KEYS "AAAA\n", "file:1: the keys"},
        {"user:SCRAM-SHA-256$4096:AAAA" KEYS "\nuser:SCRAM-SHA-256$4096:AAAA" KEYS "\n",
         "user is there twice"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char wrong[PASSWORDS_TEXT_BYTES] = "";
        struct passwords *passwords;
        if (passwords_parse(span_from_string(table[i].text), "file", &passwords, wrong) != SLUICE_INVALID ||
            !strstr(wrong, table[i].says))
            fail_msg("%s: %s", table[i].text, wrong);
    }
    char wrong[PASSWORDS_TEXT_BYTES];
    struct passwords *empty;
    assert_int_equal(passwords_parse(SPAN_EMPTY, "file", &empty, wrong), SLUICE_OK);
    assert_null(passwords_find(empty, SPAN_LITERAL("user")));
    passwords_free(empty);
}

/* ---- SCRAM ---- */

static const char first[] = "n,,n=user,r=" RFC_CLIENT_NONCE;
static const char last[] = "c=biws,r=" RFC_NONCE ",p=" RFC_PROOF;

static bool answers(struct scram *scram, const struct passwords *passwords, const char *message,
                    enum scram_state wanted, const char *answer)
{
    struct span given = SPAN_EMPTY;
    enum scram_state state = scram_step(scram, passwords, fake_key, span_from_string(message), &given);
    return state == wanted && (!answer || span_equal(given, span_from_string(answer)));
}

static void the_conversation_of_rfc_7677(void **state)
{
    (void)state;
    struct passwords *passwords = rfc_passwords();
    struct scram scram;
    scram_init(&scram, RFC_SERVER_NONCE);
    assert_true(
        answers(&scram, passwords, first, SCRAM_CHALLENGED, "r=" RFC_NONCE ",s=" RFC_SALT_TEXT ",i=4096"));
    assert_true(
        answers(&scram, passwords, last, SCRAM_DONE, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    assert_string_equal(scram.password->name, "user");
    assert_true(answers(&scram, passwords, last, SCRAM_FAILED, NULL)); /* it is over */
    passwords_free(passwords);
}

static void first_messages_are_taken_or_refused(void **state)
{
    (void)state;
    struct passwords *passwords = rfc_passwords();
    static const struct {
        const char *message;
        bool taken;
    } table[] = {
        {"n,,n=user,r=abc", true},
        {"y,,n=user,r=abc", true},         /* a Client that could have bound itself */
        {"n,,n=user,r=abc,x=later", true}, /* an extension that need not be understood */
        {"n,,n=a=2Cb=3Dc,r=abc", true},
        {"p=tls-exporter,,n=user,r=abc", false}, /* no channel binding is offered */
        {"n,a=other,n=user,r=abc", false},       /* nobody speaks for another */
        {"n,,m=1,n=user,r=abc", false},          /* an extension that must be understood */
        {"n,,n=a=2cb,r=abc", false},
        {"n,,n=a=,r=abc", false},
        {"n,,n=,r=abc", false},
        {"n,,n=user,r=", false},
        {"n,,n=user,r=a c", false},
        {"n,,n=user", false},
        {"n,,", false},
        {"n,", false},
        {"", false},
        {"n,,r=abc,n=user", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct scram scram;
        scram_init(&scram, RFC_SERVER_NONCE);
        if (!answers(&scram, passwords, table[i].message, table[i].taken ? SCRAM_CHALLENGED : SCRAM_FAILED,
                     NULL))
            fail_msg("%s", table[i].message);
    }
    char huge[SCRAM_MESSAGE_BYTES + 2];
    memset(huge, 'a', sizeof huge);
    memcpy(huge, "n,,n=user,r=", 12);
    for (size_t len = 12 + 128; len < sizeof huge; len += 128) {
        struct scram scram;
        struct span answer;
        scram_init(&scram, RFC_SERVER_NONCE);
        assert_int_equal(scram_step(&scram, passwords, fake_key, span_of(huge, len), &answer),
                         len == 12 + 128 ? SCRAM_CHALLENGED : SCRAM_FAILED);
    }
    passwords_free(passwords);
}

static void last_messages_are_taken_or_refused(void **state)
{
    (void)state;
    struct passwords *passwords = rfc_passwords();
    static const char *const table[] = {
        "c=eSws,r=" RFC_NONCE ",p=" RFC_PROOF,        /* another binding than at first */
        "c=biws,r=" RFC_CLIENT_NONCE ",p=" RFC_PROOF, /* another nonce */
        "c=biws,r=" RFC_NONCE "x,p=" RFC_PROOF,
        "c=biws,r=" RFC_NONCE ",p=AAzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", /* another proof */
        "c=biws,r=" RFC_NONCE ",p=",
        "c=biws,r=" RFC_NONCE ",p=AAAA",
        "c=biws,r=" RFC_NONCE ",p=?",
        "c=biws,r=" RFC_NONCE,
        "c=biws,r=" RFC_NONCE ",p=" RFC_PROOF ",x=1", /* the proof is the last */
        "c=biws,r=" RFC_NONCE ",p=" RFC_PROOF RFC_PROOF,
        "r=" RFC_NONCE ",c=biws,p=" RFC_PROOF,
        first,
        "",
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct scram scram;
        scram_init(&scram, RFC_SERVER_NONCE);
        assert_true(answers(&scram, passwords, first, SCRAM_CHALLENGED, NULL));
        if (!answers(&scram, passwords, table[i], SCRAM_FAILED, NULL))
            fail_msg("%s", table[i]);
    }
    passwords_free(passwords);
}

/* The same conversation, with a salt that does not change, until its end. */
static void who_does_not_exist_is_told_a_salt_and_fails(void **state)
{
    (void)state;
    struct passwords *passwords = rfc_passwords();
    char challenges[3][SCRAM_MESSAGE_BYTES];
    static const char *const names[] = {"n,,n=ghost,r=abc", "n,,n=ghost,r=abc", "n,,n=spectre,r=abc"};
    for (size_t i = 0; i < 3; i++) {
        struct scram scram;
        struct span answer;
        scram_init(&scram, RFC_SERVER_NONCE);
        assert_int_equal(scram_step(&scram, passwords, fake_key, span_from_string(names[i]), &answer),
                         SCRAM_CHALLENGED);
        snprintf(challenges[i], sizeof challenges[i], "%.*s", (int)answer.len, (const char *)answer.data);
        assert_non_null(strstr(challenges[i], ",i=4096"));
        assert_true(
            answers(&scram, passwords, "c=biws,r=abc" RFC_SERVER_NONCE ",p=" RFC_PROOF, SCRAM_FAILED, NULL));
    }
    assert_string_equal(challenges[0], challenges[1]);
    assert_string_not_equal(challenges[0], challenges[2]);
    passwords_free(passwords);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_serves_its_password_and_no_other),
        cmocka_unit_test(an_entry_has_the_form_of_rfc_5803),
        cmocka_unit_test(a_damaged_file_is_refused_with_its_line),
        cmocka_unit_test(the_conversation_of_rfc_7677),
        cmocka_unit_test(first_messages_are_taken_or_refused),
        cmocka_unit_test(last_messages_are_taken_or_refused),
        cmocka_unit_test(who_does_not_exist_is_told_a_salt_and_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
