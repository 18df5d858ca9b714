# What a hostile peer controls in device-sdk/wire.
sluice_fuzz(framer SOURCES fuzz/framer_fuzz.c fuzz/packet_check.c LIBS sluice_wire)
sluice_fuzz(properties SOURCES fuzz/properties_fuzz.c fuzz/packet_check.c LIBS sluice_wire)
sluice_fuzz(topic SOURCES fuzz/topic_fuzz.c LIBS sluice_wire)

# sluice_fuzz_packets(NAME TYPE...): a family of Control Packets.
function(sluice_fuzz_packets name)
  sluice_fuzz(${name} SOURCES fuzz/packet_fuzz.c fuzz/packet_check.c LIBS sluice_wire)
  list(JOIN ARGN "," types)
  target_compile_definitions(${name}_${SLUICE_FUZZ_KIND} PRIVATE "FUZZ_TYPES=${types}")
endfunction()
sluice_fuzz_packets(connect MQTT_CONNECT MQTT_CONNACK MQTT_DISCONNECT MQTT_AUTH)
sluice_fuzz_packets(publish MQTT_PUBLISH MQTT_PUBACK MQTT_PUBREC MQTT_PUBREL MQTT_PUBCOMP)
sluice_fuzz_packets(subscribe MQTT_SUBSCRIBE MQTT_SUBACK MQTT_UNSUBSCRIBE MQTT_UNSUBACK)
