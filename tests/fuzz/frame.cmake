sluice_fuzz(frame RUNS 200000 SOURCES fuzz/frame_fuzz.c LIBS sluice_wire)
