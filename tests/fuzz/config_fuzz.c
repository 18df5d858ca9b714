/* The configuration over arbitrary text: it is read, or refused with at least one error. */
#include "app/config.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *problems;
    size_t bytes;
    struct config *config = NULL;
    FILE *out = open_memstream(&problems, &bytes);
    enum sluice_error error = config_parse(span_of(data, size), "serverless.yml", "dev", out, &config);
    fclose(out);
    assert((error == SLUICE_OK) == (config != NULL));
    assert(error == SLUICE_OK || bytes > 0);
    for (size_t i = 0; config && i < config->function_count; i++)
        for (size_t j = 0; j < config->functions[i].event_count; j++)
            assert(config->functions[i].events[j].rule || config->functions[i].events[j].rates.count > 0);
    config_free(config);
    free(problems);
    return 0;
}
