# Raspberry Pi 2, 3, 4 and Zero 2 with a 32-bit system.
set(board_architecture armhf)
set(board_triplet arm-linux-gnueabihf)
set(board_processor armv7l)
set(board_libc musl)
set(board_flags "-march=armv7-a+fp -mthumb")
include(${CMAKE_CURRENT_LIST_DIR}/../toolchain.cmake)
