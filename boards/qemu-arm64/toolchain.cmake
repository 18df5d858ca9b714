# The machine virt of qemu-system-aarch64.
set(board_architecture arm64)
set(board_triplet aarch64-linux-gnu)
set(board_processor aarch64)
set(board_libc musl)
set(board_flags "-march=armv8-a")
include(${CMAKE_CURRENT_LIST_DIR}/../toolchain.cmake)
