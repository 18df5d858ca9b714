# A hostile Server against the device.
sluice_fuzz(engine SOURCES fuzz/engine_fuzz.c LIBS sluice_client)
