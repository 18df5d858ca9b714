# How every target of the tree is compiled, and the one way to declare a module.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ${SLUICE_GATEWAY}) # functions are shared objects; an agent for a small board is not
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Asserts stay on: a gateway that has lost its invariants must stop before it acknowledges anything.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
# Boards: what a device does not call is left out, and so are tables to unwind a stack, which C never does, and asserts,
# whose messages bring printf along.
set(CMAKE_C_FLAGS_MINSIZEREL
  "-Os -DNDEBUG -ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables")
set(CMAKE_EXE_LINKER_FLAGS_MINSIZEREL "-Wl,--gc-sections")
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION_MINSIZEREL ON CACHE BOOL "Optimise at link time: a twentieth smaller")

add_library(sluice_options INTERFACE)
target_compile_definitions(sluice_options INTERFACE _GNU_SOURCE)
target_compile_options(sluice_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  $<$<BOOL:${SLUICE_WERROR}>:-Werror>)

set(SLUICE_SANITIZE "" CACHE STRING "Sanitizers to compile and link with, as for -fsanitize=")
if(NOT SLUICE_SANITIZE AND CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(sanitize address,undefined)
else()
  set(sanitize ${SLUICE_SANITIZE})
endif()
option(SLUICE_FUZZ "Build the fuzz targets, with clang, in place of the other tests" OFF)
if(SLUICE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link) # the fuzzer sees which branches of every module a run takes
endif()
if(sanitize)
  add_compile_options(-fsanitize=${sanitize} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitize})
endif()

# sluice_module(NAME SOURCES... LIBS ...): a static library of one folder. LIBS are the modules and
# packages that it may use; tests/unit/include_direction_test.sh holds the folders to the same rule.
function(sluice_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options PUBLIC ${ARG_LIBS})
endfunction()
