sluice_test(span_test SOURCES unit/span_test.c LIBS sluice_wire)
sluice_test(topic_test SOURCES unit/topic_test.c LIBS sluice_wire)
