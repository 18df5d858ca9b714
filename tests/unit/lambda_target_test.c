/* lambda/target.h: names and ARNs to URLs, and what is refused with which words. */
#include "lambda/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ARN     "arn:aws:lambda:eu-west-1:123456789012:function:archive"
#define ENCODED "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aarchive"

static const struct {
    struct target_settings settings;
    const char *url;
    const char *host;
    const char *path;
    const char *region;
    bool encrypted;
    bool loopback;
} rows[] = {
    {{"archive", "eu-west-1", NULL},
     "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/archive/invocations",
     "lambda.eu-west-1.amazonaws.com",
     "/2015-03-31/functions/archive/invocations",
     "eu-west-1",
     true,
     false},
    {{"archive:live", "us-gov-west-1", NULL},
     "https://lambda.us-gov-west-1.amazonaws.com/2015-03-31/functions/archive/invocations?Qualifier=live",
     "lambda.us-gov-west-1.amazonaws.com",
     "/2015-03-31/functions/archive/invocations",
     "us-gov-west-1",
     true,
     false},
    /* The ARN's own Region comes first. */
    {{ARN ":$LATEST", "us-east-1", NULL},
     "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/" ENCODED
     "/invocations?Qualifier=%24LATEST",
     "lambda.eu-west-1.amazonaws.com",
     "/2015-03-31/functions/" ENCODED "/invocations",
     "eu-west-1",
     true,
     false},
    {{"123456789012:function:archive:7", "cn-north-1", NULL},
     "https://lambda.cn-north-1.amazonaws.com.cn/2015-03-31/functions/"
     "123456789012%3Afunction%3Aarchive/invocations?Qualifier=7",
     "lambda.cn-north-1.amazonaws.com.cn",
     "/2015-03-31/functions/123456789012%3Afunction%3Aarchive/invocations",
     "cn-north-1",
     true,
     false},
    {{"f", "r", "http://localhost:3002"},
     "http://localhost:3002/2015-03-31/functions/f/invocations",
     "localhost:3002",
     "/2015-03-31/functions/f/invocations",
     "r",
     false,
     true},
    {{"f", "r", "http://[::1]:3002/"},
     "http://[::1]:3002/2015-03-31/functions/f/invocations",
     "[::1]:3002",
     "/2015-03-31/functions/f/invocations",
     "r",
     false,
     true},
    /* A port that the scheme implies is not in the Host header; a path in front stays. */
    {{"f", "r", "https://proxy.example:443/lambda/"},
     "https://proxy.example/lambda/2015-03-31/functions/f/invocations",
     "proxy.example",
     "/lambda/2015-03-31/functions/f/invocations",
     "r",
     true,
     false},
    {{"f", "r", "http://127.evil.example"},
     "http://127.evil.example/2015-03-31/functions/f/invocations",
     "127.evil.example",
     "/2015-03-31/functions/f/invocations",
     "r",
     false,
     false},
};

static void a_function_has_one_url(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct target target;
        char error[512] = "";
        print_message("  %s\n", rows[i].settings.function);
        enum sluice_error failed = target_parse(&rows[i].settings, error, sizeof error, &target);
        assert_string_equal(error, "");
        assert_int_equal(failed, SLUICE_OK);
        assert_string_equal(target.url, rows[i].url);
        assert_string_equal(target.host, rows[i].host);
        assert_string_equal(target.path, rows[i].path);
        assert_string_equal(target.region, rows[i].region);
        assert_int_equal(target.encrypted, rows[i].encrypted);
        assert_int_equal(target.loopback, rows[i].loopback);
        target_fini(&target);
    }
}

#define NAMES                                                                                                \
    " is no function of AWS Lambda; allowed are NAME, NAME:QUALIFIER, "                                      \
    "arn:aws:lambda:REGION:ACCOUNT:function:NAME and the same with :QUALIFIER"
#define ENDPOINTS                                                                                            \
    " is not usable; allowed is https://HOST[:PORT][/PATH], or http:// for a server on this machine"

static const struct {
    struct target_settings settings;
    const char *error;
} refused[] = {
    {{"", "r", NULL}, "''" NAMES},
    {{"a:b:c", "r", NULL}, "'a:b:c'" NAMES},
    {{"a/b", "r", NULL}, "'a/b'" NAMES},
    {{"archive:", "r", NULL}, "'archive:'" NAMES},
    {{"arn:aws:sqs:eu-west-1:1:queue:q", "r", NULL}, "'arn:aws:sqs:eu-west-1:1:queue:q'" NAMES},
    {{"arn:aws:lambda:eu-west-1:1:function", "r", NULL}, "'arn:aws:lambda:eu-west-1:1:function'" NAMES},
    {{ARN ":live:more", "r", NULL}, "'" ARN ":live:more'" NAMES},
    {{"f", "", NULL}, "'f' needs an AWS Region: set provider.region, or give the function's ARN"},
    {{"f", "r/../x", NULL}, "'f' needs an AWS Region: set provider.region, or give the function's ARN"},
    {{"f", "r", "ftp://host"}, "the endpoint 'ftp://host'" ENDPOINTS},
    {{"f", "r", "https://key:secret@host"}, "the endpoint 'https://key:secret@host'" ENDPOINTS},
    {{"f", "r", "https://host/?a=b"}, "the endpoint 'https://host/?a=b'" ENDPOINTS},
    {{"f", "r", "https://host:99999"}, "the endpoint 'https://host:99999'" ENDPOINTS},
    {{"f", "r", ""}, "the endpoint ''" ENDPOINTS},
};

static void what_is_no_function_is_refused_in_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct target target;
        char error[512] = "";
        assert_int_equal(target_parse(&refused[i].settings, error, sizeof error, &target), SLUICE_INVALID);
        assert_string_equal(error, refused[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_has_one_url),
        cmocka_unit_test(what_is_no_function_is_refused_in_one_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
