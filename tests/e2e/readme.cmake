# The README's own commands, against what is installed.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  sluice_e2e(readme)
endif()
