sluice_test(frame_test SOURCES unit/frame_test.c unit/frame_series.c LIBS sluice_wire)
