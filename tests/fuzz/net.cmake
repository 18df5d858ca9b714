# What reaches the https listener.
sluice_fuzz(http SOURCES fuzz/http_fuzz.c LIBS sluice_net)
sluice_fuzz(websocket SOURCES fuzz/websocket_fuzz.c LIBS sluice_net)
# The same on its way to a function, and a function's answer.
sluice_fuzz(request SOURCES fuzz/request_fuzz.c LIBS sluice_requests sluice_credentials)
