# What may lie on the disk when the gateway starts.
sluice_fuzz(journal SOURCES fuzz/journal_fuzz.c fault/sim_disk.c LIBS sluice_deliver)
