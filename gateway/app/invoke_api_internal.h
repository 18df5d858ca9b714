/* What invoke_api.c and invoke_api_describe.c share. Nobody else includes it. */
#ifndef SLUICE_APP_INVOKE_API_INTERNAL_H
#define SLUICE_APP_INVOKE_API_INTERNAL_H

#include "app/direct_invocation.h"
#include "app/https_request.h"
#include "app/invoke_api_name.h"
#include "base/buffer.h"

/* Answers with the fault of that type: one of the table in invoke_api_fault.c. `reason` is of those of
 * Lambda's that have one, or NULL; 0: nothing is said of when to try again. */
void invoke_api_respond_fault(struct https_connection *connection, const char *type, const char *message,
                              const char *reason, uint32_t retry_after_s);

/* The lines of an invocation as Lambda logs them: START, what the function printed, END and REPORT. */
void invoke_api_write_log(const struct function *function, uint64_t version, const char *request_id,
                          const struct invoke_result *result, struct buffer *out);
/* FunctionConfiguration, and what GetFunction has around it. */
void invoke_api_write_configuration(const struct function *function, uint64_t version, struct buffer *out);
void invoke_api_write_function(const struct function *function, uint64_t version, struct buffer *out);
/* What ListVersionsByFunction and ListAliases answer, whatever the version. */
void invoke_api_write_versions(const struct function *function, uint64_t version, struct buffer *out);
void invoke_api_write_aliases(const struct function *function, uint64_t version, struct buffer *out);

#endif
