#include "route/expression.h"
#include "route/json.h"

static struct value look_up(const struct expression *path, struct evaluation *evaluation)
{
    struct span at = evaluation->json;
    for (size_t i = 0; i < path->name_count; i++)
        if (!json_member(at, path->names[i], &at))
            return value_undefined();
    return value_of_json(at, &evaluation->arena);
}

static struct value apply(const struct expression *expression, struct evaluation *evaluation)
{
    size_t count = expression->argument_count;
    struct value *arguments = arena_take(&evaluation->arena, count * sizeof *arguments);
    for (size_t i = 0; i < count; i++)
        arguments[i] = evaluate(expression->arguments[i], evaluation);
    return expression->function->apply(&(struct function_call){
        .message = evaluation->message,
        .random = &evaluation->random,
        .regex = expression->regex,
        .arena = &evaluation->arena,
        .arguments = arguments,
        .argument_count = count,
    });
}

struct value evaluate(const struct expression *expression, struct evaluation *evaluation)
{
    switch (expression->kind) {
    case EXPRESSION_LITERAL: return expression->literal;
    case EXPRESSION_PATH: return look_up(expression, evaluation);
    case EXPRESSION_PAYLOAD: return value_of_json(evaluation->json, &evaluation->arena);
    case EXPRESSION_BYTES: return value_string(evaluation->message->payload);
    case EXPRESSION_APPLY: return apply(expression, evaluation);
    }
    return value_undefined();
}
