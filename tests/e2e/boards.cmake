# What is built for boards (boards/README.md). Cross-building, emulators and images are of the label `boards`, which
# tests/run.sh runs once, with the Release build.

# The fixture boards_build leaves ${PROJECT_BINARY_DIR}/boards/PRESET/bin/sluice-agent, and boards_build_PRESET one of them.
set(boards raspberrypi-arm64 raspberrypi-armhf beaglebone openwrt visionfive qemu-arm64)
foreach(board IN LISTS boards)
  add_test(NAME e2e_boards_build_${board} COMMAND sh ${PROJECT_SOURCE_DIR}/tests/e2e/boards_build.sh ${board}
    -DSLUICE_MBEDTLS_SOURCE=${SLUICE_MBEDTLS_SOURCE} -DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER})
  set_tests_properties(e2e_boards_build_${board} PROPERTIES LABELS boards
    FIXTURES_SETUP "boards_build;boards_build_${board}"
    ENVIRONMENT "ROOT=${PROJECT_SOURCE_DIR};BUILD=${PROJECT_BINARY_DIR}")
endforeach()

# sluice_boards(BEHAVIOUR...): as sluice_e2e, of what the fixture has built.
function(sluice_boards)
  sluice_e2e(${ARGN})
  foreach(behaviour IN LISTS ARGN)
    set_tests_properties(e2e_${behaviour} PROPERTIES LABELS boards FIXTURES_REQUIRED boards_build)
  endforeach()
endfunction()

sluice_boards(boards_agents boards_packages)
sluice_e2e(boards_recipes)
set_tests_properties(e2e_boards_recipes PROPERTIES LABELS boards)
