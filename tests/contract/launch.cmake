# What a confined process can and cannot do: the launcher runs the test program itself, which then tries it.
sluice_test(launch_test SOURCES contract/launch_test.c contract/launch_acts.c)
target_compile_definitions(launch_test PRIVATE LAUNCH="$<TARGET_FILE:launch>")
target_include_directories(launch_test PRIVATE ${PROJECT_SOURCE_DIR}/gateway)
add_dependencies(launch_test launch)
