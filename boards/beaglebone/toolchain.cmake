# BeagleBone Black, Green and PocketBeagle: AM335x, one Cortex-A8.
set(board_architecture armhf)
set(board_triplet arm-linux-gnueabihf)
set(board_processor armv7l)
set(board_libc musl)
set(board_flags "-mcpu=cortex-a8 -mfpu=vfpv3-d16 -mthumb")
include(${CMAKE_CURRENT_LIST_DIR}/../toolchain.cmake)
