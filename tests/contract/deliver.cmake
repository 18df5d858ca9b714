sluice_test(disk_test SOURCES contract/disk_test.c fault/sim_disk.c LIBS sluice_deliver)
