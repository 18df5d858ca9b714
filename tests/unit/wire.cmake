sluice_test(span_test SOURCES unit/span_test.c LIBS sluice_wire)
sluice_test(topic_test SOURCES unit/topic_test.c LIBS sluice_wire)
sluice_test(mqtt_codec_test SOURCES unit/mqtt_codec_test.c unit/mqtt_samples.c LIBS sluice_wire)
sluice_test(mqtt_refusal_test SOURCES unit/mqtt_refusal_test.c unit/mqtt_samples.c LIBS sluice_wire)
