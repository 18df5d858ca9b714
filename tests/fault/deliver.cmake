sluice_test(power_cut_test
  SOURCES fault/power_cut_test.c fault/power_cut_world.c fault/power_cut_load.c fault/power_cut_check.c fault/sim_disk.c
  LIBS sluice_deliver)
