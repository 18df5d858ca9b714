# The uplink worker over the worker protocol, against a remote Server that does what each test says.
find_program(PYTHON3 python3)
if(PYTHON3)
  add_test(NAME uplink_worker_test COMMAND ${PYTHON3} -B ${CMAKE_CURRENT_LIST_DIR}/uplink_worker_test.py $<TARGET_FILE:uplink>)
  set_tests_properties(uplink_worker_test PROPERTIES TIMEOUT 300)
endif()
