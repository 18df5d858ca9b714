#include "invoke/pool.h"

void request_log(struct request *request, struct span line)
{
    struct buffer *log = &request->log;
    buffer_append(log, line);
    buffer_append(log, SPAN_LITERAL("\n"));
    if (buffer_len(log) > INVOKE_LOG_BYTES)
        buffer_consume(log, buffer_len(log) - INVOKE_LOG_BYTES);
}

void request_list_append(struct request_list *list, struct request *request)
{
    request->next = NULL;
    if (list->last)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
    list->count++;
}

struct request *request_list_take(struct request_list *list, uint64_t invocation)
{
    struct request *previous = NULL, *request = list->first;
    while (request && request->invocation != invocation) {
        previous = request;
        request = request->next;
    }
    if (!request)
        return NULL;
    if (previous)
        previous->next = request->next;
    else
        list->first = request->next;
    if (list->last == request)
        list->last = previous;
    list->count--;
    return request;
}

struct request *request_list_take_first(struct request_list *list)
{
    return list->first ? request_list_take(list, list->first->invocation) : NULL;
}
