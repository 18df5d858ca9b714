/* A shared object that was built against an interface that is no more. */
#include <stdint.h>

extern const uint32_t sluice_handler_abi;
const uint32_t sluice_handler_abi = 0;
