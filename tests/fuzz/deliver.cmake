# What may lie on the disk when the gateway starts.
sluice_fuzz(journal RUNS 20000 SOURCES fuzz/journal_fuzz.c fault/sim_disk.c LIBS sluice_deliver)
