foreach(name timers subscriptions access queues)
  sluice_test(${name}_test SOURCES unit/${name}_test.c LIBS sluice_broker sluice_base)
endforeach()
foreach(name authenticate sessions publishing durability survival shares hostile_broker limits outgoing_aliases processing replay)
  sluice_test(${name}_test SOURCES unit/${name}_test.c unit/broker_host.c unit/broker_client.c
    LIBS sluice_broker sluice_base)
endforeach()
