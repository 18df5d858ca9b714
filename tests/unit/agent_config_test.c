/* agent/config.h: every error with its line and what is allowed; files, options and defaults. */
#include "agent/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct agent_config config;
static char errors[8192]; /* what went to standard error */

/* Runs `read` with standard error going to `errors`. */
static void catch_errors(void (*read_config)(const char *argument), const char *argument)
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    read_config(argument);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    errors[fread(errors, 1, sizeof errors - 1, file)] = '\0';
    fclose(file);
}

static void read_text(const char *text)
{
    char path[] = "/tmp/sluice-agent-XXXXXX";
    int descriptor = mkstemp(path);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    close(descriptor);
    config_init(&config);
    config_read(&config, path);
    config_finish(&config, false);
    unlink(path);
}

static void a_whole_file_is_read(void **state)
{
    (void)state;
    catch_errors(read_text, "# a comment\n"
                            "[gateway]\n"
                            "host = gateway.local\n"
                            "  port=1883  \n"
                            "client_id = shed\n"
                            "topic = site/%c/100%%\n"
                            "keep_alive = 10min\n"
                            "[sampling]\n"
                            "interval = 1500 ms\n"
                            "outbox = 64k\n"
                            "when_full = thin-out\r\n"
                            "; another comment\n"
                            "[ sensors ]\n"
                            "proc = no\n"
                            "exclude = a* b\n"
                            "[file soil moisture]\n"
                            "path = /sys/x\n"
                            "scale = -0.5e-1\n"
                            "[command wifi]\n"
                            "run = iw dev | grep '#signal = '\n"
                            "decimals = 0");
    assert_string_equal(errors, "");
    assert_int_equal(config.error_count, 0);
    assert_string_equal(config.host, "gateway.local");
    assert_int_equal(config.port, 1883);
    assert_string_equal(config.topic, "site/shed/100%");
    assert_int_equal(config.keep_alive_ms, 600000);
    assert_int_equal(config.interval_ms, 1500);
    assert_int_equal(config.outbox_bytes, 65536);
    assert_int_equal(config.when_full, 1);
    assert_false(config.proc);
    assert_true(config.hwmon);
    assert_int_equal(config.source_count, 2);
    assert_string_equal(config.sources[0].name, "soil moisture");
    assert_true(config.sources[0].scale == -0.05);
    assert_int_equal(config.sources[0].decimals, 2);
    assert_int_equal(config.sources[1].kind, SOURCE_COMMAND);
    assert_string_equal(config.sources[1].target, "iw dev | grep '#signal = '");
    assert_int_equal(config.sources[1].timeout_ms, 2000);
}

static void each_error_is_named_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *sentence;
    } rows[] = {
        {"port = 1\n", ":1: a [section] must come first"},
        {"[gateway]\nhots = x\n", ":2: there is no key 'hots' in [gateway]; there are host port ca"},
        {"\n[gatway]\nhost = x\n", ":2: there is no section [gatway]; there are [gateway]"},
        {"[gateway\n", ":1: a section is [NAME]"},
        {"[gateway] x\n", ":1: a section is [NAME]"},
        {"[gateway x]\n", ":1: there is no section [gateway x]"},
        {"[gateway]\nhost\n", ":2: this is no 'key = value'"},
        {"[gateway]\nport = 0\n", ":2: port: '0' is not allowed; allowed is a number from 1 to 65535"},
        {"[gateway]\nport = 1e2x\n", "allowed is a number from 1 to 65535"},
        {"[gateway]\nport =\n", ":2: port: '' is not allowed"},
        {"[sampling]\ninterval = 10\n", "allowed is a time from 100ms to 24h, with ms, s, min or h"},
        {"[sampling]\ninterval = nan s\n", "allowed is a time"},
        {"[sampling]\noutbox = 1G\n", "allowed is a size from 4096 to"},
        {"[sampling]\nwhen_full = drop\n", "allowed is one of: drop-oldest thin-out refuse"},
        {"[sensors]\nhwmon = maybe\n", "allowed is one of: no yes"},
        {"[sensors]\nhwmon = \n", "allowed is one of: no yes"},
        {"[file]\npath = x\n", ":1: a [file NAME] section needs a name"},
        {"[file a]\npath = x\n[command a]\nrun = x\n", ":3: the name 'a' is taken by line 1"},
        {"[file a]\nunit = V\n", "[file a] in line 1 has no 'path'"},
        {"[command a]\nunit = V\n", "[command a] in line 1 has no 'run'"},
        {"[action a]\ntimeout = 1s\n", "[action a] in line 1 has no 'run'"},
        {"[action a/b]\nrun = x\n", ":1: the name of an action is a topic level, without / + #"},
        {"[action a]\nrun = x\n[action a]\nrun = x\n", ":3: the name 'a' is taken by line 1"},
        {"[watch a]\nhysteresis = 1\n", "[watch a] in line 1 has neither 'above' nor 'below'"},
        {"[watch a]\nabove = 1\nhysteresis = -0.1\n",
         "[watch a] in line 1: its hysteresis is -0.1; allowed is from 0 to"},
        {"\n[watch a]\nabove = 10\nbelow = 10\n",
         "[watch a] in line 2: its above is 10 and its below 10; above must be more"},
        {"[watch a]\nabove = 10\nbelow = 20\n",
         "[watch a] in line 1: its above is 10 and its below 20; above must be more"},
        {"[watch a]\nabove = 30\nbelow = 10\nhysteresis = 20\n",
         "[watch a] in line 1: its hysteresis is 20; allowed is from 0 to less than the distance from below "
         "to above"},
        {"[watch a]\nabove = inf\n", ":2: above: 'inf' is not allowed; allowed is a number"},
        {"[gateway]\ncommands = farm/+\n", ":2: commands: 'farm/+' is not allowed; allowed is a Topic Name "
                                           "of at most 511 bytes, with %c, %h and "
                                           "%% in it, or nothing"},
        {"[gateway]\nevents = farm/%x\n", ":2: events: 'farm/%x' is not allowed; allowed is a Topic Name"},
        {"[command a]\nrun = x\nscale = inf\n", ":3: scale: 'inf' is not allowed; allowed is a number"},
        {"[file a]\npath = x\n[gpio a]\nchip = x\n", ":3: the name 'a' is taken by line 1"},
        {"[buffer a]\nrate = 10\n", "[buffer a] in line 1 has no 'device'"},
        {"[buffer a]\ntake = median\n",
         ":2: take: 'median' is not allowed; allowed is one of: mean last min max"},
        {"[buffer a]\ndevice=a\n[buffer b]\ndevice=b\n[buffer c]\ndevice=c\n[buffer d]\ndevice=d\n"
         "[buffer e]\ndevice=e\n",
         "[buffer e] in line 9 is one too many; allowed are 4"},
        {"[gpio a]\nline = 1\n", "[gpio a] in line 1 has no 'chip'"},
        {"\n[gpio a]\nchip = /dev/gpiochip0\n", "[gpio a] in line 2 has no 'line'"},
        {"[gpio a]\nreport = edges\n",
         ":2: report: 'edges' is not allowed; allowed is one of: level count urgent"},
        {"[gpio a]\npath = x\n", ":2: there is no key 'path' in [gpio]; there are chip line report"},
        {"[gateway]\ntopic = farm/#\n", ":2: topic: 'farm/#' is not allowed; allowed is a Topic Name"},
        {"[gateway]\ntopic = farm/%x\n", ":2: topic: 'farm/%x' is not allowed; allowed is a Topic Name"},
        {"[gateway]\ntopic = farm/%\n", ":2: topic: 'farm/%' is not allowed"},
        {"[gateway]\ntopic =\n", ":2: topic: '' is not allowed; allowed is a Topic Name of at most"},
        {"[gateway]\nevents = caf\xe9\n", ":2: events: 'caf\xe9' is not allowed; allowed is a Topic Name"},
        {"[gateway]\nclient_id = a+b\n",
         "topic: 'farm/a+b/telemetry', with client_id and host name in it, is no Topic Name"},
        {"[gateway]\nclient_id = caf\xe9\n",
         "client_id: 'caf\xe9' is not allowed; allowed are 1 to 255 bytes of UTF-8"},
        {"[gateway]\nclient_id =\n", "client_id: '' is not allowed; allowed are 1 to 255 bytes of UTF-8"},
        {"[gateway]\nclient_id = %c\n", "client_id: only %h and %% can stand in '%c'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        catch_errors(read_text, rows[i].text);
        if (config.error_count == 0 || !strstr(errors, rows[i].sentence))
            fail_msg("%s gives %u errors: %s", rows[i].text, config.error_count, errors);
    }
}

static void all_errors_come_at_once(void **state)
{
    (void)state;
    catch_errors(read_text,
                 "[gateway]\nport = x\nhots = y\n[nonsense]\nkey = z\n[sampling]\nflush = never\n");
    assert_int_equal(config.error_count, 4);
}

static void a_line_of_any_length_is_one_error(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "[gateway]\nhost=", 15);
    memcpy(text + sizeof text - 12, "\nport = 77\n", 12);
    catch_errors(read_text, text);
    assert_non_null(strstr(errors, ":2: the line is longer than"));
    assert_int_equal(config.error_count, 1);
    assert_int_equal(config.port, 77);
}

static void read_absent(const char *path)
{
    config_init(&config);
    config_read(&config, path);
    config_finish(&config, true);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    catch_errors(read_absent, "/nonexistent/agent.conf");
    assert_int_equal(config.error_count, 5);
    assert_non_null(strstr(errors, "/nonexistent/agent.conf: cannot be read: No such file"));
    assert_non_null(strstr(errors, "host is missing: set it in [gateway] or by --host"));
    assert_non_null(strstr(errors, "certificate is missing"));
}

static void give_options(const char *host)
{
    config_init(&config);
    assert_true(config_option(&config, "host", host));
    assert_true(config_option(&config, "client-id", "a"));
    assert_true(config_option(&config, "when-full", "refuse"));
    assert_false(config_option(&config, "hwmon", "yes"));
    assert_false(config_option(&config, "client_id", "yes"));
    assert_true(config_option(&config, "port", NULL));
    assert_true(config_option(&config, "port", "70000"));
}

/* A sensor, its limits and an action may have one name. */
static void sections_with_names_are_kept_apart(void **state)
{
    (void)state;
    catch_errors(read_text,
                 "[gateway]\nclient_id = shed\ncommands = farm/%c/commands\nevents =\n"
                 "[file a]\npath = x\n[watch a]\nbelow = -1.5\nhysteresis = 9\n[action a]\nrun = x\n");
    assert_string_equal(errors, "");
    assert_string_equal(config.commands, "farm/shed/commands");
    assert_string_equal(config.events, "");
    assert_int_equal(config.sources[0].kind, SOURCE_FILE);
    assert_int_equal(config.sources[1].kind, SOURCE_WATCH);
    assert_true(config.sources[1].below == -1.5 && isinf(config.sources[1].above));
    assert_int_equal(config.sources[2].kind, SOURCE_ACTION);
    assert_int_equal(config.sources[2].timeout_ms, 30000);
}

static void options_set_the_same_keys(void **state)
{
    (void)state;
    catch_errors(give_options, "h");
    assert_string_equal(config.host, "h");
    assert_string_equal(config.client_id, "a");
    assert_int_equal(config.when_full, 2);
    assert_int_equal(config.error_count, 2);
    assert_non_null(strstr(errors, "--port needs a value"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),      cmocka_unit_test(each_error_is_named_with_its_line),
        cmocka_unit_test(all_errors_come_at_once),   cmocka_unit_test(a_line_of_any_length_is_one_error),
        cmocka_unit_test(what_is_missing_is_named),  cmocka_unit_test(sections_with_names_are_kept_apart),
        cmocka_unit_test(options_set_the_same_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
