# What reaches the https listener.
sluice_fuzz(http SOURCES fuzz/http_fuzz.c LIBS sluice_net)
sluice_fuzz(websocket SOURCES fuzz/websocket_fuzz.c LIBS sluice_net)
