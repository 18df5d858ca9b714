# The hostile bench in its short form, a test a section; README.md has the long one.
find_program(PYTHON3 python3)
if(NOT PYTHON3)
  message(STATUS "python3 is not installed: the hostile bench is not run (gateway/setup.sh --tests installs it)")
  return()
endif()
foreach(section before_authentication connect topics access state websocket sdk_and_functions)
  add_test(NAME hostile_${section} COMMAND ${PYTHON3} -B ${CMAKE_CURRENT_LIST_DIR}/run.py --build ${PROJECT_BINARY_DIR}
                                           --section ${section})
endforeach()
