sluice_test(retry_test SOURCES unit/retry_test.c LIBS sluice_deliver)
sluice_test(queue_test SOURCES unit/queue_test.c LIBS sluice_deliver)
sluice_test(ordered_queue_test SOURCES unit/ordered_queue_test.c LIBS sluice_deliver)
sluice_test(journal_test SOURCES unit/journal_test.c unit/journal_fixture.c fault/sim_disk.c LIBS sluice_deliver)
sluice_test(journal_damage_test SOURCES unit/journal_damage_test.c unit/journal_fixture.c fault/sim_disk.c
  LIBS sluice_deliver)
sluice_test(journal_thread_test SOURCES unit/journal_thread_test.c LIBS sluice_deliver)
sluice_test(state_test SOURCES unit/state_test.c LIBS sluice_deliver)
sluice_test(windows_test SOURCES unit/windows_test.c LIBS sluice_deliver)
