# A hostile client against the broker.
sluice_fuzz(broker RUNS 100000 SOURCES fuzz/broker_fuzz.c LIBS sluice_broker)
