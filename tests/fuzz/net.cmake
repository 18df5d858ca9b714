# What reaches the https listener.
sluice_fuzz(http RUNS 100000 SOURCES fuzz/http_fuzz.c LIBS sluice_net)
sluice_fuzz(websocket RUNS 100000 SOURCES fuzz/websocket_fuzz.c LIBS sluice_net)
