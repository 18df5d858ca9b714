sluice_fuzz(frame SOURCES fuzz/frame_fuzz.c LIBS sluice_wire)
