# The device SDK as one static file for x86-64, with musl as for the boards: its size is measured.
set(board_architecture amd64)
set(board_triplet x86_64-linux-gnu)
set(board_processor x86_64)
set(board_libc musl)
set(board_flags "")
include(${CMAKE_CURRENT_LIST_DIR}/../../boards/toolchain.cmake)
