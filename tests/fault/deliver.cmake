sluice_test(power_cut_test SOURCES fault/power_cut_test.c fault/sim_disk.c LIBS sluice_deliver)
