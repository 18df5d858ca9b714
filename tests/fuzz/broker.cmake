# A hostile client against the broker.
sluice_fuzz(broker SOURCES fuzz/broker_fuzz.c LIBS sluice_broker)
