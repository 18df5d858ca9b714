/* The events `httpApi` and `http` of all functions, as one list of routes. */
#include "app/config_table.h"

#include "app/http_route.h"

#include <string.h>

/* Both forms of Serverless Framework: `GET /users`, also with the path alone; and method and path apart. */
static void split_route(struct config *config, const char *path, char *method, struct config_route *route)
{
    const char *space = strchr(path, ' ');
    route->method = method;
    if (!route->method && space) {
        route->method = arena_string(&config->arena, span_of(path, (size_t)(space - path)));
        path = space + strspn(space, " ");
    }
    if (strcmp(path, "*") == 0)
        path = "$default";
    bool has_slash = path[0] == '/' || path[0] == '$';
    route->path = arena_take(&config->arena, strlen(path) + 2);
    snprintf(route->path, strlen(path) + 2, "%s%s", has_slash ? "" : "/", path);
}

static void settle_method(struct config *config, struct config_route *route, struct config_problems *problems)
{
    static const char *const methods[] = {"ANY", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    const char *given = route->method && strcmp(route->method, "*") != 0 ? route->method : "ANY";
    route->method = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcasecmp(methods[i], given) == 0)
            route->method = arena_string(&config->arena, span_from_string(methods[i]));
    }
    if (!route->method)
        config_error(
            problems, route->place,
            "functions.%s: '%s' is no method; allowed: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, "
            "ANY and *",
            route->function, given);
}

static void check_route(const struct config *config, const struct config_route *route,
                        struct config_problems *problems)
{
    const char *fault = http_route_fault(route->path);
    if (fault)
        config_error(problems, route->place, "functions.%s: '%s' is no path of a route: %s", route->function,
                     route->path, fault);
    if (!config->https.host && !config->http.host)
        config_warning(problems, route->place,
                       "functions.%s has an event of HTTP, but there is no gateway.listen.https or http",
                       route->function);
    for (const struct config_route *other = config->routes; other < route; other++) {
        if (route->method && strcmp(other->path, route->path) == 0 &&
            strcmp(other->method, route->method) == 0)
            config_error(problems, route->place, "functions.%s: the route %s %s is also one of functions.%s",
                         route->function, route->method, route->path, other->function);
    }
}

static size_t count_routes(const struct config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->function_count; i++) {
        for (size_t j = 0; j < config->functions[i].event_count; j++) {
            count += config->functions[i].events[j].http_path != NULL;
            count += config->functions[i].events[j].rest_path != NULL;
        }
    }
    return count;
}

/* A route that has its place, function and form. */
static void settle_route(struct config *config, const char *path, char *method,
                         struct config_problems *problems)
{
    struct config_route *route = &config->routes[config->route_count];
    split_route(config, path, method, route);
    settle_method(config, route, problems);
    check_route(config, route, problems);
    config->route_count += route->method != NULL;
}

/* The payload format of an event httpApi: its own, or its function's, or the provider's. */
static enum config_http_form form_of(const struct config *config, const struct config_function *function,
                                     const struct config_event *event, struct config_problems *problems)
{
    const char *payload = config->provider.http_payload;
    if (function->http_payload)
        payload = function->http_payload;
    if (event->http_payload)
        payload = event->http_payload;
    bool is_first = strcmp(payload, "1.0") == 0;
    if (!is_first && strcmp(payload, "2.0") != 0)
        config_error(problems, event->place,
                     "functions.%s: the payload of httpApi is '%s'; allowed: 1.0, 2.0", function->name,
                     payload);
    return is_first ? CONFIG_HTTP_API_1 : CONFIG_HTTP_API;
}

static void settle_event(struct config *config, const struct config_function *function,
                         const struct config_event *event, struct config_problems *problems)
{
    struct config_route route = {.place = event->place, .function = function->name};
    if (event->http_path) {
        route.form = form_of(config, function, event, problems);
        config->routes[config->route_count] = route;
        settle_route(config, event->http_path, event->http_method, problems);
    }
    if (event->rest_path) {
        route.form = CONFIG_REST_API;
        config->routes[config->route_count] = route;
        settle_route(config, event->rest_path, event->rest_method, problems);
    }
}

void config_settle_routes(struct config *config, struct config_problems *problems)
{
    config->routes = arena_new(&config->arena, (count_routes(config) + 1) * sizeof *config->routes);
    for (size_t i = 0; i < config->function_count; i++) {
        const struct config_function *function = &config->functions[i];
        for (size_t j = 0; j < function->event_count; j++)
            settle_event(config, function, &function->events[j], problems);
    }
}
