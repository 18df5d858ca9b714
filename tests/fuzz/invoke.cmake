# What a worker may write to the gateway.
sluice_fuzz(worker_frame SOURCES fuzz/worker_frame_fuzz.c LIBS sluice_worker_protocol)
