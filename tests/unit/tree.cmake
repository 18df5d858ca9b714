# What holds for the whole tree; once is enough, in the build that is installed.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  foreach(check include_direction format headers)
    add_test(NAME ${check}_test
      COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/unit/${check}_test.sh ${PROJECT_SOURCE_DIR})
    set_tests_properties(${check}_test PROPERTIES SKIP_RETURN_CODE 77)
  endforeach()
  add_test(NAME tidy_test
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/unit/tidy_test.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
  set_tests_properties(tidy_test PROPERTIES SKIP_RETURN_CODE 77)
endif()
add_test(NAME reference_test
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/unit/reference_test.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
