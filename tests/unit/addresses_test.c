/* net/addresses.h: the counters agree with a plain array, whatever was added and removed. */
#include "net/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include <cmocka.h>

static void addresses_are_counted_exactly(void **state)
{
    enum { KEYS = 97, STEPS = 20000 };
    uint32_t expected[KEYS] = {0};
    struct addresses addresses = {.seed = 12345};
    uint32_t random = 1;
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525u + 1013904223u;
        uint32_t key = (random >> 8) % KEYS;
        bool removes = step > STEPS / 2 ? (random >> 28) < 11 : (random >> 28) < 5;
        if (removes && expected[key] > 0) {
            addresses_remove(&addresses, key);
            expected[key]--;
        } else if (!removes) {
            addresses_add(&addresses, key);
            expected[key]++;
        }
        uint32_t other = (random >> 16) % KEYS;
        assert_int_equal(addresses_count(&addresses, other), expected[other]);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        assert_int_equal(addresses_count(&addresses, key), expected[key]);
        for (; expected[key] > 0; expected[key]--)
            addresses_remove(&addresses, key);
    }
    assert_int_equal(addresses.used, 0);
    addresses_fini(&addresses);
}

static void an_ipv6_subscriber_is_one_address(void **state)
{
    static const struct {
        const char *one, *other;
        bool same;
    } rows[] = {
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        union socket_address one = {0}, other = {0};
        uv_ip6_addr(rows[i].one, 1, &one.six);
        uv_ip6_addr(rows[i].other, 2, &other.six);
        assert_int_equal(addresses_key(&one) == addresses_key(&other), rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_counted_exactly),
        cmocka_unit_test(an_ipv6_subscriber_is_one_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
