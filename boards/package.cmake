# The agent's package for a board, made by `cpack --preset`: for Debian a .deb, for OpenWrt an archive that is unpacked
# in the root folder. Neither holds a key or a certificate: each device has its own, which boards/flash gives it.
# SLUICE_BOARD is the preset's name; the board's folder is that of its toolchain file.

get_filename_component(board_folder ${CMAKE_TOOLCHAIN_FILE} DIRECTORY)
file(READ ${board_folder}/agent.conf profile)
configure_file(${CMAKE_CURRENT_LIST_DIR}/agent.conf.in ${PROJECT_BINARY_DIR}/agent.conf @ONLY)

set(CPACK_PACKAGE_NAME sluice-agent)
set(CPACK_PACKAGE_VENDOR "The Sluice authors")
set(CPACK_PACKAGE_CONTACT "The Sluice authors <sluice@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "publishes a board's sensors to a Sluice gateway")
set(CPACK_PACKAGE_FILE_NAME sluice-agent_${PROJECT_VERSION}_${SLUICE_BOARD})
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON) # files of /etc are in the package where they will be
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/modes.cmake)

if(board_folder MATCHES "/openwrt$")
  set(CPACK_GENERATOR TGZ)
  set(CPACK_INCLUDE_TOPLEVEL_DIRECTORY OFF)
  install(PROGRAMS ${board_folder}/sluice-agent.init DESTINATION /etc/init.d RENAME sluice-agent)
  install(FILES ${board_folder}/sysupgrade.keep DESTINATION /lib/upgrade/keep.d RENAME sluice-agent)
  # Not as /etc/sluice/agent.conf: nothing would keep a newer archive from replacing what its owner wrote there.
  install(FILES ${PROJECT_BINARY_DIR}/agent.conf DESTINATION /usr/share/sluice-agent)
else()
  set(CPACK_GENERATOR DEB)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${board_architecture})
  set(CPACK_DEBIAN_PACKAGE_SECTION net)
  set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "This build is for ${SLUICE_BOARD}.")
  set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
  foreach(script conffiles postinst prerm postrm)
    list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/debian/${script})
  endforeach()
  install(FILES ${PROJECT_BINARY_DIR}/agent.conf DESTINATION /etc/sluice)
  install(FILES ${PROJECT_SOURCE_DIR}/device-sdk/agent/sluice-agent.service DESTINATION /usr/lib/systemd/system)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION /usr/share/doc/sluice-agent RENAME copyright)
endif()
include(CPack)
