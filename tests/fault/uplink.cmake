if(PYTHON3)
  add_test(NAME uplink_test COMMAND ${PYTHON3} -B ${CMAKE_CURRENT_LIST_DIR}/uplink_test.py --build ${PROJECT_BINARY_DIR})
  set_tests_properties(uplink_test PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
