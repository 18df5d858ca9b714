/* Apart from device.c, so that a device that takes no commands does not link it. */
#include "sluice/device.h"

#include <string.h>

enum sluice_error sluice_device_answer(struct sluice_device *device, const struct sluice_message *command,
                                       struct sluice_bytes payload, const char *error_type)
{
    if (command->response_topic.len == 0)
        return SLUICE_OK;
    return sluice_device_publish(
        device, &(struct sluice_message){.topic = command->response_topic,
                                         .payload = payload,
                                         .correlation = command->correlation,
                                         .error_type = {error_type, error_type ? strlen(error_type) : 0}});
}
