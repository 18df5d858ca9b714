#include "app/http_route.h"

enum { RANK_WHOLE = 1000 }; /* of a path without {name+}: it comes before all that have one */

/* Up to the next slash; `rest` begins with one. */
static struct span take_segment(struct span *rest)
{
    struct span path = span_skip(*rest, 1);
    const uint8_t *end = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
    struct span segment = span_of(path.data, end ? (size_t)(end - path.data) : path.len);
    *rest = span_skip(path, segment.len);
    return segment;
}

static bool is_parameter(struct span segment)
{
    return segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
}

static bool is_greedy(struct span segment)
{
    return is_parameter(segment) && segment.data[segment.len - 2] == '+';
}

/* 0: it does not match. */
static unsigned rank_of(struct span pattern, struct span path)
{
    unsigned rank = RANK_WHOLE;
    while (pattern.len > 0 && path.len > 0) {
        struct span all = path, wanted = take_segment(&pattern), given = take_segment(&path);
        if (is_greedy(wanted))
            return all.len > 1 ? rank - RANK_WHOLE + 1 : 0;
        if (is_parameter(wanted) ? given.len == 0 : !span_equal(wanted, given))
            return 0;
        rank += is_parameter(wanted) ? 1 : 2;
    }
    return pattern.len == 0 && path.len == 0 ? rank : 0;
}

const struct config_route *http_route_find(const struct config *config, struct span method, struct span path)
{
    const struct config_route *best = NULL, *normal = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        bool any_method = strcmp(route->method, "ANY") == 0;
        if (strcmp(route->path, "$default") == 0)
            normal = route;
        if (!any_method && !span_equal(span_from_string(route->method), method))
            continue;
        unsigned rank = route->path[0] == '/' ? rank_of(span_from_string(route->path), path) : 0;
        rank = rank ? 2 * rank + !any_method : 0;
        if (rank > best_rank) {
            best = route;
            best_rank = rank;
        }
    }
    return best ? best : normal;
}

struct http_route_walk http_route_walk_of(const struct config_route *route, struct span path)
{
    struct span pattern = span_from_string(route->path[0] == '/' ? route->path : "");
    return (struct http_route_walk){pattern, path};
}

bool http_route_next(struct http_route_walk *walk, struct span *ret_name, struct span *ret_value)
{
    while (walk->pattern.len > 0 && walk->path.len > 0) {
        struct span all = walk->path, wanted = take_segment(&walk->pattern),
                    given = take_segment(&walk->path);
        if (!is_parameter(wanted))
            continue;
        bool greedy = is_greedy(wanted);
        *ret_name = span_of(wanted.data + 1, wanted.len - 2 - greedy);
        *ret_value = greedy ? span_skip(all, 1) : given;
        return true;
    }
    return false;
}

static bool has_brace(struct span text)
{
    return text.len > 0 && (memchr(text.data, '{', text.len) || memchr(text.data, '}', text.len));
}

const char *http_route_fault(const char *path)
{
    struct span rest = span_from_string(path);
    if (strcmp(path, "$default") == 0)
        return NULL;
    if (path[strcspn(path, " ?#%\\")])
        return "it has a character that no path has unencoded";
    if (strcmp(path, "/mqtt") == 0 ||
        strncmp(path, "/2015-03-31/functions", strlen("/2015-03-31/functions")) == 0)
        return "it is the gateway's own";
    while (rest.len > 0) {
        struct span segment = take_segment(&rest);
        struct span inner = is_parameter(segment) ? span_of(segment.data + 1, segment.len - 2) : segment;
        if (has_brace(inner) || (is_greedy(segment) && inner.len == 1))
            return "a parameter is a whole segment, {name} or {name+}";
        if (is_greedy(segment) && rest.len > 0)
            return "nothing may follow {name+}";
    }
    return NULL;
}
