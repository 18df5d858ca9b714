# What a hostile peer controls in device-sdk/wire.
sluice_fuzz(mqtt RUNS 200000 SOURCES fuzz/mqtt_fuzz.c LIBS sluice_wire)
sluice_fuzz(topic RUNS 200000 SOURCES fuzz/topic_fuzz.c LIBS sluice_wire)
