# A hostile Server against the device.
sluice_fuzz(engine RUNS 50000 SOURCES fuzz/engine_fuzz.c LIBS sluice_client)
