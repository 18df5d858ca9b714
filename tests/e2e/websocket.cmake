# The https listener: a browser's MQTT client on it, and the Invoke API.
sluice_e2e(websocket browser invoke_api invoke_command watch http_events sam)
