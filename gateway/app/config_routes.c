/* The events `httpApi` and `http` of all functions, as one list of routes. */
#include "app/config_table.h"

#include "app/http_route.h"

#include <string.h>

/* Both forms of Serverless Framework: `GET /users`, also with the path alone; and method and path apart. */
static void split_route(struct config *config, const struct config_event *event, struct config_route *route)
{
    const char *path = event->http_path, *space = strchr(path, ' ');
    route->method = event->http_method;
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

static void settle_method(struct config *config, const struct config_event *event, struct config_route *route,
                          struct config_problems *problems)
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
            problems, event->place,
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
        for (size_t j = 0; j < config->functions[i].event_count; j++)
            count += config->functions[i].events[j].http_path != NULL;
    }
    return count;
}

static void settle_route(struct config *config, const struct config_function *function,
                         const struct config_event *event, struct config_problems *problems)
{
    struct config_route *route = &config->routes[config->route_count];
    route->place = event->place;
    route->function = function->name;
    split_route(config, event, route);
    settle_method(config, event, route, problems);
    check_route(config, route, problems);
    config->route_count += route->method != NULL;
}

void config_settle_routes(struct config *config, struct config_problems *problems)
{
    config->routes = arena_new(&config->arena, (count_routes(config) + 1) * sizeof *config->routes);
    for (size_t i = 0; i < config->function_count; i++) {
        const struct config_function *function = &config->functions[i];
        for (size_t j = 0; j < function->event_count; j++) {
            if (function->events[j].http_path)
                settle_route(config, function, &function->events[j], problems);
        }
    }
}
