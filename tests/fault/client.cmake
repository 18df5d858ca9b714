sluice_test(ring_power_cut_test
  SOURCES fault/ring_power_cut_test.c fault/sim_medium.c fault/sim_disk.c
  LIBS sluice_client sluice_deliver)
