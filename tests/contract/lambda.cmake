# The lambda worker's credentials over the worker protocol, against endpoints that do what each test says.
find_program(PYTHON3 python3)
if(PYTHON3)
  add_test(NAME lambda_identity_test COMMAND ${PYTHON3} -B ${CMAKE_CURRENT_LIST_DIR}/lambda_identity_test.py $<TARGET_FILE:lambda> $<TARGET_FILE:sluice>)
  set_tests_properties(lambda_identity_test PROPERTIES TIMEOUT 300)
endif()
