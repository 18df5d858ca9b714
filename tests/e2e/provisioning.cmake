# boards/flash, with the agent of this machine in a Debian system of this machine's processor: one that the system's libc
# alone can run, so not under AddressSanitizer.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  sluice_e2e(flash)
  set_tests_properties(e2e_flash PROPERTIES LABELS boards)
endif()

# An emulated board is booted with what boards/flash writes.
sluice_e2e(boot)
set_tests_properties(e2e_boot PROPERTIES LABELS boards FIXTURES_REQUIRED boards_build_qemu-arm64)
