/* gateway/invoke: workers that do well and badly, over real processes. Each test checks at its end that every
 * request completed exactly once and that no handle of the loop is left. */
#include "pool_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct invoke_config worker_config(const char *const *arguments)
{
    struct invoke_config config = invoke_config_default();
    config.function_name = "faulty";
    config.handler = "none";
    config.runtime = "test";
    config.executable = FAULTY_WORKER;
    config.arguments = arguments;
    config.timeout_ms = 60000;
    config.restart_base_ms = 1;
    config.restart_cap_ms = 2;
    config.spawn_interval_ms = 1;
    return config;
}

static void an_event_comes_back_and_only_the_first_is_cold(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    const struct kept_result *cold = fixture_invoke(&fixture, "{\"a\":1}");
    const struct kept_result *warm = fixture_invoke(&fixture, "");
    assert_int_equal(cold->outcome, INVOKE_SUCCEEDED);
    assert_string_equal(cold->payload, "{\"a\":1}");
    assert_true(cold->init_us > 0);
    assert_int_equal(warm->outcome, INVOKE_SUCCEEDED);
    assert_string_equal(warm->payload, "");
    assert_int_equal(warm->init_us, 0);
    assert_int_equal(invoke_counters(fixture.pool).started_count, 1);
    assert_false(invoke_backs_off(fixture.pool));
    fixture_fini(&fixture);
}

static const struct {
    const char *event;
    enum invoke_outcome outcome;
    const char *type;
    const char *message;
} ends[] = {
    {"exit 3", INVOKE_CRASHED, "Runtime.ExitError", "Runtime exited with error: exit status 3"},
    {"be killed", INVOKE_CRASHED, "Runtime.ExitError", "Runtime exited with error: signal: Killed"},
    {"die in mid-frame", INVOKE_CRASHED, "Runtime.ExitError", "Runtime exited without providing a reason"},
    {"write garbage", INVOKE_CRASHED, "Runtime.ExitError",
     "the worker broke the worker protocol and was killed: a malformed frame"},
    {"claim too much", INVOKE_CRASHED, "Runtime.ExitError",
     "the worker broke the worker protocol and was killed: a frame over its bound"},
    {"answer another", INVOKE_CRASHED, "Runtime.ExitError",
     "the worker broke the worker protocol and was killed: an answer to an invocation that is not open"},
    {"publish", INVOKE_CRASHED, "Runtime.ExitError",
     "the worker broke the worker protocol and was killed: a PUBLISH of a worker that may publish nothing"},
    {"0 function error", INVOKE_FUNCTION_ERROR, "Some.Error", "as told"},
    {"1 transport error", INVOKE_TRANSPORT_ERROR, "Some.Error", "as told"},
    {"2 throttled", INVOKE_THROTTLED, "Some.Error", "as told"},
    {"3 timeout", INVOKE_TIMED_OUT, "Some.Error", "as told"},
};

static void every_bad_end_is_told_apart_and_the_next_event_is_served(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        print_message("  %s\n", ends[i].event);
        const struct kept_result *result = fixture_invoke(&fixture, ends[i].event);
        assert_int_equal(result->outcome, ends[i].outcome);
        assert_string_equal(result->error_type, ends[i].type);
        assert_string_equal(result->error_message, ends[i].message);
        bool waits = ends[i].outcome == INVOKE_THROTTLED || ends[i].outcome == INVOKE_TRANSPORT_ERROR;
        assert_int_equal(result->retry_after_ms, waits ? 1500 : 0);
        assert_string_equal(result->payload, ends[i].outcome == INVOKE_CRASHED ? "" : "{\"stackTrace\":[]}");
        assert_int_equal(fixture_invoke(&fixture, "well?")->outcome, INVOKE_SUCCEEDED);
    }
    fixture_fini(&fixture);
}

static void assert_log(struct fixture *fixture, const char *expected)
{
    buffer_append(&fixture->log, span_of("", 1));
    assert_string_equal((const char *)buffer_span(&fixture->log).data, expected);
    buffer_consume(&fixture->log, buffer_len(&fixture->log));
}

/* Each line stands with the invocation that printed it, and those at the start before the first one. */
static void the_log_is_told_what_is_of_which_invocation(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"say", NULL};
    struct invoke_config config = worker_config(arguments);
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "say");
    fixture_invoke(&fixture, "say");
    assert_log(&fixture, "- said at start|begin 8476a536|8476a536 said|end 8476a536|"
                         "begin 8476a536|8476a536 said|end 8476a536|");
    assert_in_range(fixture.memory_bytes, 100 * 1024, 1024 * 1024 * 1024);
    fixture_invoke(&fixture, "exit 3");
    assert_log(&fixture, "begin 8476a536|end 8476a536|");
    fixture_fini(&fixture);
}

/* Who asks for the last lines of an invocation gets no others, also where the log leaves it out. */
static void the_lines_of_an_invocation_are_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    fixture.wants_log = fixture.leaves_out = true;
    fixture_invoke(&fixture, "say late");
    for (int i = 0; i < 2;
         i++) { /* before and after its line, so that it comes while the loop does not run */
        siginfo_t stopped;
        assert_int_equal(waitid(P_ALL, 0, &stopped, WSTOPPED), 0);
        assert_int_equal(kill(stopped.si_pid, SIGCONT), 0);
    }
    assert_string_equal(fixture_invoke(&fixture, "say")->log, "said\n");
    fixture_fini(&fixture);
}

/* Also when the worker gets the next one before the first one's callback. */
static void an_invocation_ends_in_the_log_before_the_next_begins(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("b")), SLUICE_OK);
    fixture_run(&fixture);
    assert_int_equal(invoke_counters(fixture.pool).started_count, 1);
    assert_log(&fixture, "begin 8476a536|end 8476a536|begin 8476a536|end 8476a536|");
    fixture_fini(&fixture);
}

static void the_log_says_why_a_worker_does_not_start(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"refuse", NULL};
    struct invoke_config config = worker_config(arguments);
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "well?");
    assert_log(&fixture, "- Runtime.ImportModuleError: no such module|");
    fixture_fini(&fixture);
}

static void a_hanging_worker_is_terminated_at_the_deadline(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.timeout_ms = 250;
    fixture_init(&fixture, &config);
    const char *const hangs[] = {"leave open", "be deaf"};
    for (size_t i = 0; i < 2; i++) {
        const struct kept_result *result = fixture_invoke(&fixture, hangs[i]);
        assert_int_equal(result->outcome, INVOKE_TIMED_OUT);
        assert_string_equal(result->error_type, "Sandbox.Timedout");
        assert_string_equal(result->error_message, "Task timed out after 0.25 seconds");
    }
    assert_int_equal(invoke_counters(fixture.pool).killed_count, 0);
    fixture_fini(&fixture);
}

static void one_that_ignores_sigterm_is_killed_and_then_replaced(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"stubborn", NULL};
    struct invoke_config config = worker_config(arguments);
    config.timeout_ms = 250;
    fixture_init(&fixture, &config);
    assert_int_equal(fixture_invoke(&fixture, "leave open")->outcome, INVOKE_TIMED_OUT);
    assert_int_equal(fixture_invoke(&fixture, "well?")->outcome, INVOKE_SUCCEEDED);
    assert_int_equal(invoke_counters(fixture.pool).killed_count, 1);
    assert_int_equal(invoke_counters(fixture.pool).started_count, 2);
    fixture_fini(&fixture);
}

static void an_event_larger_than_the_socket_reaches_a_deaf_worker_without_blocking(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"", "2", NULL};
    struct invoke_config config = worker_config(arguments);
    config.timeout_ms = 100;
    fixture_init(&fixture, &config);
    uint8_t *event = calloc(1, 6 * 1024 * 1024);
    assert_non_null(event);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("be deaf")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, span_of(event, 6 * 1024 * 1024)), SLUICE_OK);
    fixture_run(&fixture);
    assert_int_equal(fixture.results[0].outcome, INVOKE_TIMED_OUT);
    assert_int_not_equal(fixture.results[1].outcome, INVOKE_SUCCEEDED);
    free(event);
    fixture_fini(&fixture);
}

/* The system reports that as an error of the socket; it was once taken for a broken protocol. */
static void a_worker_that_dies_with_unread_events_is_told_by_its_exit(void **state)
{
    (void)state;
    struct fixture fixture;
    static const uint8_t unread[150000];
    const char *const arguments[] = {"", "2", NULL};
    struct invoke_config config = worker_config(arguments);
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "warm");
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("exit 3")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, span_of(unread, sizeof unread)), SLUICE_OK);
    fixture_run(&fixture);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(fixture.results[i].outcome, INVOKE_TRANSPORT_ERROR);
        assert_string_equal(fixture.results[i].error_message, "Runtime exited with error: exit status 3");
    }
    fixture_fini(&fixture);
}

/* It once cost all that were open an attempt. One that ends every worker is found out, and the rest is
 * served. */
static void the_crash_of_a_shared_worker_is_nobodys_until_one_is_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"", "3", NULL};
    struct invoke_config config = worker_config(arguments);
    config.waiting_count_max = 0;
    config.workers_provisioned = 1;
    fixture_init(&fixture, &config);
    while (invoke_capacity(fixture.pool) == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("leave open")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("exit 3")), SLUICE_OK);
    fixture_run(&fixture);
    assert_int_equal(fixture.results[0].outcome, INVOKE_TRANSPORT_ERROR);
    assert_int_equal(fixture.results[1].outcome, INVOKE_TRANSPORT_ERROR);
    while (invoke_capacity(fixture.pool) == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(invoke_capacity(fixture.pool), 1);
    assert_int_equal(fixture_invoke(&fixture, "exit 3")->outcome, INVOKE_CRASHED);
    while (invoke_capacity(fixture.pool) == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(fixture_invoke(&fixture, "a")->outcome, INVOKE_SUCCEEDED);
    assert_int_equal(invoke_capacity(fixture.pool), 3);
    assert_int_equal(fixture_invoke(&fixture, "exit 3")->outcome, INVOKE_TRANSPORT_ERROR);
    fixture_fini(&fixture);
}

static void a_large_event_comes_back_whole(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    size_t len = 6 * 1024 * 1024 + 100;
    uint8_t *event = malloc(len + 1);
    assert_non_null(event);
    memset(event, 'e', len + 1);
    assert_int_equal(fixture_submit(&fixture, span_of(event, len + 1)), SLUICE_TOO_LARGE);
    assert_int_equal(fixture_submit(&fixture, span_of(event, len)), SLUICE_OK);
    fixture_run(&fixture);
    assert_int_equal(fixture.results[0].outcome, INVOKE_SUCCEEDED);
    assert_int_equal(fixture.results[0].payload[500], 'e');
    free(event);
    fixture_fini(&fixture);
}

static const struct {
    const char *start;
    enum invoke_outcome outcome;
    const char *type;
    const char *message;
} starts[] = {
    {"exit", INVOKE_CRASHED, "Runtime.ExitError", "Runtime exited with error: exit status 6"},
    {"hang", INVOKE_TIMED_OUT, "Sandbox.Timedout", "Task timed out after 0.30 seconds"},
    {"refuse", INVOKE_FUNCTION_ERROR, "Runtime.ImportModuleError", "no such module"},
};

static void a_worker_that_cannot_start_fails_what_waits_for_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct fixture fixture;
        const char *const arguments[] = {starts[i].start, NULL};
        struct invoke_config config = worker_config(arguments);
        config.init_timeout_ms = 300;
        config.restart_base_ms = config.restart_cap_ms = 60000; /* so that it still waits when it is asked */
        fixture_init(&fixture, &config);
        assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
        assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("b")), SLUICE_OK);
        fixture_run(&fixture);
        for (int request = 0; request < 2; request++) {
            assert_int_equal(fixture.results[request].outcome, starts[i].outcome);
            assert_string_equal(fixture.results[request].error_type, starts[i].type);
            assert_string_equal(fixture.results[request].error_message, starts[i].message);
        }
        assert_int_equal(invoke_counters(fixture.pool).started_count, 1);
        assert_true(fixture.not_started_count > 0);
        assert_int_equal(fixture.started_count, 0);
        assert_true(invoke_backs_off(fixture.pool));
        fixture_fini(&fixture);
    }
}

static void a_missing_executable_is_one_sentence_at_start(void **state)
{
    (void)state;
    static const struct {
        const char *executable;
        enum sluice_error error;
        const char *sentence;
    } rows[] = {
        {"/nowhere/worker", SLUICE_NOT_FOUND,
         "function faulty: the worker /nowhere/worker cannot be started: No such file or directory"},
        {"/", SLUICE_DENIED, "function faulty: the worker / cannot be started: it is not an executable file"},
    };
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char error[256] = "";
        struct invoke_pool *pool = NULL;
        struct invoke_config config = worker_config(NULL);
        const struct invoke_hooks hooks = {.wall_ms = fixture_wall_ms, .random = fixture_random};
        config.executable = rows[i].executable;
        assert_int_equal(invoke_pool_start(&loop, &config, &hooks, error, sizeof error, &pool),
                         rows[i].error);
        assert_string_equal(error, rows[i].sentence);
        assert_null(pool);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void settings_over_their_bound_are_refused_at_start(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    char error[256] = "", *settings = malloc(1024 * 1024 + 1);
    assert_non_null(settings);
    memset(settings, ' ', 1024 * 1024);
    settings[1024 * 1024] = '\0';
    struct invoke_pool *pool = NULL;
    struct invoke_config config = worker_config(NULL);
    const struct invoke_hooks hooks = {.wall_ms = fixture_wall_ms, .random = fixture_random};
    config.settings_json = settings;
    assert_int_equal(invoke_pool_start(&loop, &config, &hooks, error, sizeof error, &pool), SLUICE_TOO_LARGE);
    assert_string_equal(error, "function faulty: its settings are over 1 MiB");
    assert_null(pool);
    free(settings);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* The file is executable, so it passes the check, and the system refuses it later. */
static void an_executable_that_the_system_refuses_is_a_transport_error(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[] = "/tmp/sluice-worker-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0700), 0);
    assert_int_equal(close(fd), 0);
    struct invoke_config config = worker_config(NULL);
    config.executable = path;
    fixture_init(&fixture, &config);
    assert_int_equal(unlink(path), 0);
    const struct kept_result *result = fixture_invoke(&fixture, "a");
    assert_int_equal(result->outcome, INVOKE_TRANSPORT_ERROR);
    assert_string_equal(result->error_type, "Sluice.WorkerNotStarted");
    fixture_fini(&fixture);
}

static void invocations_beyond_the_workers_wait_and_then_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.waiting_count_max = 2;
    fixture_init(&fixture, &config);
    assert_int_equal(invoke_capacity(fixture.pool), 2);
    fixture_invoke(&fixture, "warm");
    assert_int_equal(invoke_capacity(fixture.pool), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    assert_int_equal(invoke_capacity(fixture.pool), 0);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("b")), SLUICE_FULL);
    fixture_run(&fixture);
    assert_int_equal(invoke_capacity(fixture.pool), 3);
    assert_int_equal(invoke_counters(fixture.pool).completed_count[INVOKE_SUCCEEDED], 4);
    fixture_fini(&fixture);
}

static void waiting_is_bounded_in_bytes_but_one_may_always_wait(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.waiting_bytes_max = 10;
    fixture_init(&fixture, &config);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("more than ten bytes")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("b")), SLUICE_FULL);
    fixture_run(&fixture);
    assert_int_equal(fixture.results[0].outcome, INVOKE_SUCCEEDED);
    fixture_fini(&fixture);
}

static void as_many_workers_start_as_there_is_work_for(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.workers_max = 3;
    config.workers_provisioned = 1;
    config.timeout_ms = 1500; /* later than the third has started, on a busy machine too */
    fixture_init(&fixture, &config);
    for (int i = 0; i < 5; i++)
        assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("leave open")), SLUICE_OK);
    while (invoke_counters(fixture.pool).running < 3)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(invoke_counters(fixture.pool).workers, 3);
    assert_int_equal(invoke_counters(fixture.pool).waiting, 2);
    fixture_run(&fixture);
    fixture_fini(&fixture);
}

/* A burst may be as wide as the concurrency, and still no flood of processes: one worker does it all here. */
static void starts_are_spaced_however_many_workers_there_may_be(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.workers_max = 8;
    config.spawn_interval_ms = 3600 * 1000;
    fixture_init(&fixture, &config);
    for (int i = 0; i < 8; i++)
        assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    fixture_run(&fixture);
    assert_int_equal(invoke_counters(fixture.pool).started_count, 1);
    fixture_fini(&fixture);
}

static void provisioned_workers_start_without_work_and_stay(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.workers_max = 3;
    config.workers_provisioned = 2;
    config.idle_timeout_ms = 1;
    fixture_init(&fixture, &config);
    while (invoke_capacity(fixture.pool) < config.waiting_count_max + 2)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    fixture_invoke(&fixture, "a");
    assert_int_equal(invoke_counters(fixture.pool).started_count, 2);
    assert_int_equal(invoke_counters(fixture.pool).workers, 2);
    fixture_fini(&fixture);
}

static void an_idle_worker_is_shut_down(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    config.idle_timeout_ms = 1;
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "a");
    while (invoke_counters(fixture.pool).workers > 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(invoke_counters(fixture.pool).killed_count, 0);
    assert_int_equal(fixture_invoke(&fixture, "b")->outcome, INVOKE_SUCCEEDED);
    fixture_fini(&fixture);
}

/* How a version that is not live any more ends, and how one that is to be live begins. */
static void what_is_kept_can_change(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    assert_false(invoke_serves(fixture.pool));
    invoke_pool_keep(fixture.pool, 1, config.idle_timeout_ms);
    while (fixture.started_count == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_true(invoke_serves(fixture.pool));
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("b")), SLUICE_OK);
    invoke_pool_keep(fixture.pool, 0, 0);
    while (invoke_counters(fixture.pool).workers > 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(fixture.results[0].outcome, INVOKE_SUCCEEDED);
    assert_int_equal(fixture.results[1].outcome, INVOKE_SUCCEEDED);
    assert_int_equal(invoke_counters(fixture.pool).killed_count, 0);
    assert_int_equal(fixture_invoke(&fixture, "c")->outcome, INVOKE_SUCCEEDED);
    assert_int_equal(fixture.started_count, 2);
    assert_int_equal(fixture.not_started_count, 0);
    fixture_fini(&fixture);
}

static void a_worker_with_concurrency_gets_many_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"", "8", NULL};
    struct invoke_config config = worker_config(arguments);
    config.timeout_ms = 100;
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "warm");
    assert_int_equal(invoke_capacity(fixture.pool), 8 + config.waiting_count_max);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("leave open")), SLUICE_OK);
    for (int i = 0; i < 7; i++)
        assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    assert_int_equal(invoke_counters(fixture.pool).running, 8);
    fixture_run(&fixture);
    assert_int_equal(fixture.results[1].outcome, INVOKE_TIMED_OUT);
    for (int i = 2; i < 9; i++)
        assert_int_equal(fixture.results[i].outcome, INVOKE_SUCCEEDED);
    assert_int_equal(invoke_counters(fixture.pool).started_count, 1);
    fixture_fini(&fixture);
}

static void a_worker_says_again_how_many_it_takes(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"", "3", NULL};
    struct invoke_config config = worker_config(arguments);
    config.waiting_count_max = 0; /* only what the worker takes at once */
    config.workers_provisioned = 1;
    fixture_init(&fixture, &config);
    assert_int_equal(invoke_capacity(fixture.pool), 0);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("too early")), SLUICE_FULL);
    while (invoke_capacity(fixture.pool) == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(invoke_capacity(fixture.pool), 3);
    /* While three are open it takes none, and then one: less than are open. */
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("take none")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("take one")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a fourth")), SLUICE_FULL);
    fixture_run(&fixture);
    assert_int_equal(invoke_capacity(fixture.pool), 1);
    assert_int_equal(fixture_invoke(&fixture, "take none")->outcome, INVOKE_SUCCEEDED);
    assert_int_equal(invoke_capacity(fixture.pool), 0);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("not now")), SLUICE_FULL);
    assert_int_equal(invoke_counters(fixture.pool).killed_count, 0);
    fixture_fini(&fixture);
}

static void what_a_worker_started_dies_with_it(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    const struct kept_result *result = fixture_invoke(&fixture, "leave a child");
    assert_int_equal(result->outcome, INVOKE_SUCCEEDED);
    pid_t child = (pid_t)atoi(result->payload);
    fixture_fini(&fixture);
    /* Killed, though whoever adopted it may not have reaped it yet: then it is a zombie, with state Z. */
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    for (int tries = 0; tries < 1000; tries++) {
        FILE *file = fopen(path, "r");
        if (!file || !fgets(text, sizeof text, file) || strstr(text, ") Z") || strstr(text, ") X")) {
            if (file)
                fclose(file);
            return;
        }
        fclose(file);
        usleep(10000);
    }
    fail_msg("still there: %s", text);
}

static void a_flood_on_standard_error_does_not_hold_up_the_answer(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    assert_int_equal(fixture_invoke(&fixture, "flood")->outcome, INVOKE_SUCCEEDED);
    fixture_fini(&fixture);
}

static void stopping_completes_what_waits_and_kills_what_does_not_obey(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"stubborn", NULL};
    struct invoke_config config = worker_config(arguments);
    config.stop_grace_ms = 50;
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "warm");
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("leave open")), SLUICE_OK);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("waits")), SLUICE_OK);
    fixture_fini(&fixture);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(fixture.results[i].outcome, INVOKE_TRANSPORT_ERROR);
        assert_string_equal(fixture.results[i].error_type, "Sluice.Stopping");
    }
}

static void stopping_lets_a_running_invocation_finish(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = worker_config(NULL);
    fixture_init(&fixture, &config);
    fixture_invoke(&fixture, "warm");
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    fixture_fini(&fixture);
    assert_int_equal(fixture.results[1].outcome, INVOKE_SUCCEEDED);
}

static void a_pool_can_stop_before_any_worker_is_ready(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *const arguments[] = {"hang", NULL};
    struct invoke_config config = worker_config(arguments);
    config.stop_grace_ms = 1;
    fixture_init(&fixture, &config);
    fixture_fini(&fixture);
    fixture_init(&fixture, &config);
    assert_int_equal(fixture_submit(&fixture, SPAN_LITERAL("a")), SLUICE_OK);
    while (invoke_counters(fixture.pool).workers == 0)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    fixture_fini(&fixture);
    assert_int_equal(fixture.results[0].outcome, INVOKE_TRANSPORT_ERROR);
    assert_string_equal(fixture.results[0].error_type, "Sluice.Stopping");
}

int main(void)
{
    alarm(120); /* a hang is a failure too */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_comes_back_and_only_the_first_is_cold),
        cmocka_unit_test(every_bad_end_is_told_apart_and_the_next_event_is_served),
        cmocka_unit_test(the_log_is_told_what_is_of_which_invocation),
        cmocka_unit_test(the_lines_of_an_invocation_are_its_own),
        cmocka_unit_test(an_invocation_ends_in_the_log_before_the_next_begins),
        cmocka_unit_test(the_log_says_why_a_worker_does_not_start),
        cmocka_unit_test(a_hanging_worker_is_terminated_at_the_deadline),
        cmocka_unit_test(one_that_ignores_sigterm_is_killed_and_then_replaced),
        cmocka_unit_test(an_event_larger_than_the_socket_reaches_a_deaf_worker_without_blocking),
        cmocka_unit_test(a_worker_that_dies_with_unread_events_is_told_by_its_exit),
        cmocka_unit_test(the_crash_of_a_shared_worker_is_nobodys_until_one_is_alone),
        cmocka_unit_test(a_large_event_comes_back_whole),
        cmocka_unit_test(a_worker_that_cannot_start_fails_what_waits_for_it),
        cmocka_unit_test(a_missing_executable_is_one_sentence_at_start),
        cmocka_unit_test(settings_over_their_bound_are_refused_at_start),
        cmocka_unit_test(an_executable_that_the_system_refuses_is_a_transport_error),
        cmocka_unit_test(invocations_beyond_the_workers_wait_and_then_are_refused),
        cmocka_unit_test(waiting_is_bounded_in_bytes_but_one_may_always_wait),
        cmocka_unit_test(as_many_workers_start_as_there_is_work_for),
        cmocka_unit_test(starts_are_spaced_however_many_workers_there_may_be),
        cmocka_unit_test(provisioned_workers_start_without_work_and_stay),
        cmocka_unit_test(an_idle_worker_is_shut_down),
        cmocka_unit_test(what_is_kept_can_change),
        cmocka_unit_test(a_worker_with_concurrency_gets_many_at_once),
        cmocka_unit_test(a_worker_says_again_how_many_it_takes),
        cmocka_unit_test(what_a_worker_started_dies_with_it),
        cmocka_unit_test(a_flood_on_standard_error_does_not_hold_up_the_answer),
        cmocka_unit_test(stopping_completes_what_waits_and_kills_what_does_not_obey),
        cmocka_unit_test(stopping_lets_a_running_invocation_finish),
        cmocka_unit_test(a_pool_can_stop_before_any_worker_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
