/* The gateway's answer to who a Client is: passwords in the pool, how many at once, and what a reload
 * changes. */
#include "app/authenticator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 8 };

struct world;
struct asking {
    struct world *world;
};

struct world {
    struct asking self;
    uv_loop_t loop;
    struct authenticator *authenticator;
    char file[64];
    size_t answered;
    struct broker_answer last;
    void *order[CLIENTS];
};

static uint64_t on_wall(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000);
}

static void on_random(void *ctx, uint8_t *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, 9, len);
}

static void on_answer(void *ctx, const struct broker_answer *answer)
{
    struct world *world = ((struct asking *)ctx)->world;
    world->order[world->answered++ % CLIENTS] = ctx;
    world->last = *answer;
}

static enum sluice_error start_asking(struct asking *asking, void **exchange,
                                      const struct broker_credentials *asked,
                                      struct broker_answer *ret_answer)
{
    struct authenticator_asker asker = {on_answer, asking};
    return authenticator_ask(asking->world->authenticator, &asker, exchange, asked, ret_answer);
}

/* Writes the file, each user with the password, and loads it. */
static struct credentials *load(const struct world *world, const char *const *users, const char *given)
{
    struct buffer text = {0};
    char wrong[CREDENTIALS_TEXT_BYTES];
    for (; *users; users++) {
        uint8_t salt[PASSWORDS_SALT_BYTES] = {(uint8_t)given[0]};
        struct password entry = password_make(span_from_string(*users), span_from_string(given), salt, 4096);
        password_write(&entry, &text);
    }
    FILE *file = fopen(world->file, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(buffer_span(&text).data, 1, buffer_len(&text), file), buffer_len(&text));
    fclose(file);
    buffer_fini(&text);
    struct config config = {.passwords = (char *)world->file};
    struct credentials *credentials;
    if (credentials_new(&config, &credentials, wrong))
        fail_msg("%s", wrong);
    return credentials;
}

static const char *const ann_and_bob[] = {"ann", "bob", NULL};
static const char *const only_bob[] = {"bob", NULL};

static void set_up_with(struct world *world, unsigned checks_count)
{
    *world = (struct world){.self = {world}, .file = "/tmp/authenticator_test.XXXXXX"};
    close(mkstemp(world->file));
    assert_int_equal(uv_loop_init(&world->loop), 0);
    struct authenticator_host host = {world, &world->loop, on_wall, on_random, checks_count};
    struct credentials *credentials = load(world, ann_and_bob, "right");
    world->authenticator = authenticator_new(&host, credentials);
    credentials_unref(credentials);
}

static void set_up(struct world *world)
{
    set_up_with(world, 1);
}

static void tear_down(struct world *world)
{
    authenticator_free(world->authenticator);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    unlink(world->file);
}

static const struct identity unknown = {.kind = IDENTITY_UNKNOWN}, anonymous = {.kind = IDENTITY_ANONYMOUS};
static const struct identity certificate = {.kind = IDENTITY_CERTIFICATE, .name = "shed"};

static struct broker_credentials says(const struct identity *transport, const char *user, const char *given)
{
    return (struct broker_credentials){.transport = transport,
                                       .has_user_name = user != NULL,
                                       .user_name = span_from_string(user),
                                       .has_password = given != NULL,
                                       .password = span_from_string(given)};
}

/* Its answer, be it at once or later. */
static struct broker_answer ask(struct world *world, const struct broker_credentials *asked, bool *ret_later)
{
    struct broker_answer answer = {0};
    void *exchange = NULL;
    *ret_later = start_asking(&world->self, &exchange, asked, &answer) == SLUICE_AGAIN;
    if (*ret_later) {
        uv_run(&world->loop, UV_RUN_DEFAULT);
        answer = world->last;
    }
    if (exchange)
        authenticator_ended(world->authenticator, exchange);
    return answer;
}

static void who_it_is_follows_from_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        const struct identity *transport;
        const char *user, *given;
        enum mqtt_reason reason;
        enum identity_kind kind;
    } table[] = {
        {"right", &unknown, "ann", "right", MQTT_SUCCESS, IDENTITY_USER},
        {"wrong", &unknown, "ann", "wrong", MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
        {"another's", &unknown, "ann", "", MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
        {"nobody", &unknown, "eve", "right", MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
        {"no password", &unknown, "ann", NULL, MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
        {"no user", &unknown, NULL, "right", MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
        {"nothing", &unknown, NULL, NULL, MQTT_NOT_AUTHORIZED, 0},
        {"anonymous", &anonymous, NULL, NULL, MQTT_SUCCESS, IDENTITY_ANONYMOUS},
        {"anonymous, but right", &anonymous, "ann", "right", MQTT_SUCCESS, IDENTITY_USER},
        {"anonymous, but wrong", &anonymous, "ann", "wrong", MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
        {"a certificate", &certificate, NULL, NULL, MQTT_SUCCESS, IDENTITY_CERTIFICATE},
        {"a certificate with a label", &certificate, "ann", "wrong", MQTT_SUCCESS, IDENTITY_CERTIFICATE},
        {"a token, without issuers", &unknown, "x", "e30.e30.e30", MQTT_BAD_USER_NAME_OR_PASSWORD, 0},
    };
    struct world world;
    set_up(&world);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct broker_credentials asked = says(table[i].transport, table[i].user, table[i].given);
        bool later;
        struct broker_answer answer = ask(&world, &asked, &later);
        if (answer.reason != table[i].reason ||
            (answer.reason == MQTT_SUCCESS && answer.identity.kind != table[i].kind))
            fail_msg("%s", table[i].title);
    }
    tear_down(&world);
}

/* The second time, the right password is known, and only that one. */
static void a_right_password_is_remembered_until_the_credentials_change(void **state)
{
    (void)state;
    struct world world;
    bool later;
    set_up(&world);
    struct broker_credentials right = says(&unknown, "ann", "right"), wrong = says(&unknown, "ann", "wrong");
    assert_int_equal(ask(&world, &wrong, &later).reason, MQTT_BAD_USER_NAME_OR_PASSWORD);
    assert_int_equal(ask(&world, &right, &later).reason, MQTT_SUCCESS);
    assert_true(later);
    assert_int_equal(ask(&world, &right, &later).reason, MQTT_SUCCESS);
    assert_false(later);
    assert_int_equal(ask(&world, &wrong, &later).reason, MQTT_BAD_USER_NAME_OR_PASSWORD);
    assert_true(later);
    struct credentials *other = load(&world, ann_and_bob, "other");
    authenticator_set_credentials(world.authenticator, other);
    credentials_unref(other);
    assert_int_equal(ask(&world, &right, &later).reason, MQTT_BAD_USER_NAME_OR_PASSWORD);
    assert_true(later);
    tear_down(&world);
}

/* When many come back at once, most do not wait long enough the first time. */
static void who_did_not_wait_is_remembered_too(void **state)
{
    (void)state;
    struct world world;
    bool later;
    set_up(&world);
    struct broker_credentials right = says(&unknown, "ann", "right");
    struct broker_answer answer;
    void *exchange = NULL;
    assert_int_equal(start_asking(&world.self, &exchange, &right, &answer), SLUICE_AGAIN);
    authenticator_ended(world.authenticator, exchange);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_int_equal(ask(&world, &right, &later).reason, MQTT_SUCCESS);
    assert_false(later);
    tear_down(&world);
}

/* One at a time, in their order, and one that leaves does not hold up the others. */
static void checks_wait_for_each_other(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct broker_credentials asked = says(&unknown, "ann", "wrong");
    void *exchanges[CLIENTS] = {0};
    struct asking clients[CLIENTS];
    struct broker_answer answer;
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].world = &world;
        assert_int_equal(start_asking(&clients[i], &exchanges[i], &asked, &answer), SLUICE_AGAIN);
    }
    authenticator_ended(world.authenticator, exchanges[0]);           /* in the pool */
    authenticator_ended(world.authenticator, exchanges[3]);           /* in the queue */
    authenticator_ended(world.authenticator, exchanges[CLIENTS - 1]); /* the last of it */
    uv_run(&world.loop, UV_RUN_DEFAULT);
    static const size_t wanted[] = {1, 2, 4, 5, 6};
    assert_int_equal(world.answered, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(world.order[i], &clients[wanted[i]]);
        authenticator_ended(world.authenticator, exchanges[wanted[i]]);
    }
    tear_down(&world);
}

/* On threads of their own, while one user's password is being remembered and the credentials are replaced:
 * ThreadSanitizer watches. */
static void several_checks_run_at_once(void **state)
{
    (void)state;
    struct world world;
    set_up_with(&world, 4);
    struct broker_credentials asked[] = {says(&unknown, "ann", "right"), says(&unknown, "bob", "wrong"),
                                         says(&unknown, "eve", "right")};
    for (size_t round = 0; round < 4; round++) {
        void *exchanges[CLIENTS] = {0};
        struct broker_answer answer;
        size_t waiting = 0;
        world.answered = 0;
        for (size_t i = 0; i < CLIENTS; i++)
            waiting += start_asking(&world.self, &exchanges[i], &asked[i % 3], &answer) == SLUICE_AGAIN;
        while (world.answered == 0)
            uv_run(&world.loop, UV_RUN_ONCE);
        struct credentials *same = load(&world, ann_and_bob, "right");
        authenticator_set_credentials(world.authenticator, same);
        credentials_unref(same);
        uv_run(&world.loop, UV_RUN_DEFAULT);
        assert_int_equal(world.answered, waiting);
        for (size_t i = 0; i < CLIENTS; i++) {
            if (exchanges[i])
                authenticator_ended(world.authenticator, exchanges[i]);
        }
    }
    tear_down(&world);
}

/* What was right when it was asked is not, once the user is gone. */
static void a_check_that_outlives_its_user_is_refused(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct broker_credentials asked = says(&unknown, "ann", "right");
    struct broker_answer answer;
    void *exchange = NULL;
    assert_int_equal(start_asking(&world.self, &exchange, &asked, &answer), SLUICE_AGAIN);
    struct credentials *other = load(&world, only_bob, "right");
    authenticator_set_credentials(world.authenticator, other);
    credentials_unref(other);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_int_equal(world.last.reason, MQTT_NOT_AUTHORIZED);
    authenticator_ended(world.authenticator, exchange);
    tear_down(&world);
}

/* The gateway stops while a check is in the pool. */
static void it_may_end_before_its_checks(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct broker_credentials asked = says(&unknown, "ann", "right");
    struct broker_answer answer;
    void *exchange = NULL;
    assert_int_equal(start_asking(&world.self, &exchange, &asked, &answer), SLUICE_AGAIN);
    authenticator_ended(world.authenticator, exchange);
    tear_down(&world);
    assert_int_equal(world.answered, 0);
}

static void identities_are_valid_as_long_as_what_vouches_for_them(void **state)
{
    (void)state;
    struct world world;
    bool later;
    set_up(&world);
    struct broker_credentials asked = says(&unknown, "ann", "right");
    struct identity ann = ask(&world, &asked, &later).identity, token = {.kind = IDENTITY_TOKEN};
    struct credentials *same = load(&world, ann_and_bob, "right"),
                       *changed = load(&world, ann_and_bob, "new"), *gone = load(&world, only_bob, "right");
    assert_true(credentials_still_valid(same, &ann));
    assert_false(credentials_still_valid(changed, &ann));
    assert_false(credentials_still_valid(gone, &ann));
    assert_false(credentials_still_valid(same, &token)); /* its issuer is not there */
    assert_true(credentials_still_valid(gone, &certificate));
    assert_true(credentials_still_valid(gone, &anonymous));
    credentials_unref(same);
    credentials_unref(changed);
    credentials_unref(gone);
    tear_down(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_it_is_follows_from_what_it_says),
        cmocka_unit_test(a_right_password_is_remembered_until_the_credentials_change),
        cmocka_unit_test(who_did_not_wait_is_remembered_too),
        cmocka_unit_test(checks_wait_for_each_other),
        cmocka_unit_test(several_checks_run_at_once),
        cmocka_unit_test(a_check_that_outlives_its_user_is_refused),
        cmocka_unit_test(it_may_end_before_its_checks),
        cmocka_unit_test(identities_are_valid_as_long_as_what_vouches_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
