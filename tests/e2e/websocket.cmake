# The https listener, and a browser's MQTT client on it.
sluice_e2e(websocket browser)
