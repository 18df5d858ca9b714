find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME runtime_worker_test
  COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/contract/runtime_worker.py $<TARGET_FILE:runtime>)
