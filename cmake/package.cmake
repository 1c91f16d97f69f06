# This file says what is installed. `cpack --config build/release/CPackConfig.cmake` makes Debian packages of it, one of each component:
#   server      vedette: the server, the local tools and the trainer
#   edge        vedette-edge: what runs on the line
#   edge-camera vedette-edge-camera: what takes pictures for it, with GStreamer and Aravis
#   engine      libvedette0: the engine as a library
#   engine-dev  libvedette-dev: its header, and the packages for CMake and pkg-config
# `cmake --install build/release --component engine` installs one of them without a package.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # Installing builds nothing.
set(components)

include(CMakePackageConfigHelpers)
set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Vedette)
install(TARGETS vedette_engine EXPORT VedetteTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT engine NAMELINK_COMPONENT engine-dev)
install(FILES packaging/copyright DESTINATION share/doc/libvedette${PROJECT_VERSION_MAJOR} COMPONENT engine)
install(FILES include/vedette.h DESTINATION include COMPONENT engine-dev)
install(EXPORT VedetteTargets NAMESPACE Vedette:: DESTINATION ${cmake_folder} COMPONENT engine-dev)
configure_package_config_file(cmake/VedetteConfig.cmake.in ${CMAKE_BINARY_DIR}/VedetteConfig.cmake INSTALL_DESTINATION ${cmake_folder}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/VedetteConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/VedetteConfig.cmake ${CMAKE_BINARY_DIR}/VedetteConfigVersion.cmake DESTINATION ${cmake_folder} COMPONENT engine-dev)
# The file finds its prefix from where it lies, so that the installation may be moved.
file(RELATIVE_PATH VEDETTE_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/vedette.pc.in ${CMAKE_BINARY_DIR}/vedette.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/vedette.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT engine-dev)
install(FILES docs/engine-library.md packaging/copyright DESTINATION share/doc/libvedette-dev COMPONENT engine-dev)
install(DIRECTORY docs/examples/engine-c docs/examples/engine-python DESTINATION share/doc/libvedette-dev/examples COMPONENT engine-dev)
list(APPEND components engine engine-dev)

if(TARGET vedette-edge)
  install(TARGETS vedette-edge RUNTIME DESTINATION bin COMPONENT edge)
  install(FILES packaging/edge/vedette-edge.service DESTINATION lib/systemd/system COMPONENT edge)
  install(FILES packaging/edge/default DESTINATION /etc/default RENAME vedette-edge COMPONENT edge)
  install(FILES src/edge/agent/edge-agent.proto DESTINATION share/vedette COMPONENT edge)
  install(FILES docs/edge.md docs/edge-cameras.md docs/edge-outputs.md docs/stations.md DESTINATION share/doc/vedette-edge COMPONENT edge)
  install(FILES packaging/copyright DESTINATION share/doc/vedette-edge COMPONENT edge)
  list(APPEND components edge)
endif()
if(TARGET vedette-edge-camera)
  install(TARGETS vedette-edge-camera RUNTIME DESTINATION bin COMPONENT edge-camera)
  install(FILES packaging/copyright DESTINATION share/doc/vedette-edge-camera COMPONENT edge-camera)
  list(APPEND components edge-camera)
endif()

if(VEDETTE_TRAINER)
  install(TARGETS vedette vedette-trainer RUNTIME DESTINATION bin COMPONENT server)
  install(FILES packaging/vedette.service DESTINATION lib/systemd/system COMPONENT server)
  install(FILES packaging/default DESTINATION /etc/default RENAME vedette COMPONENT server)
  install(FILES packaging/systemd/node.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT server)
  install(PROGRAMS packaging/backup-nodes.sh DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT server)
  install(FILES packaging/copyright README.md LICENSE SECURITY.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT server)
  install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT server FILES_MATCHING PATTERN "*.md")

  # An SPDX document says what the programs consist of. `cmake --build … --target sbom` writes it, and it is installed with them.
  find_program(SBOM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
  if(VEDETTE_CONSOLE)
    set(SBOM_NPM --npm-lock vedette=${PROJECT_SOURCE_DIR}/console/package-lock.json)
  endif()
  set(SBOM_COMMAND ${SBOM_PYTHON} ${PROJECT_SOURCE_DIR}/tools/sbom.py ${CMAKE_BINARY_DIR}/vedette.spdx.json --version ${PROJECT_VERSION}
    --header-package nlohmann-json3-dev --header-package libboost1.81-dev --header-package libeigen3-dev --header-package libcli11-dev ${SBOM_NPM}
    ${CMAKE_BINARY_DIR}/vedette ${CMAKE_BINARY_DIR}/vedette-trainer)
  if(SBOM_PYTHON)
    add_custom_target(sbom COMMAND ${SBOM_COMMAND} DEPENDS vedette vedette-trainer COMMENT "Writing vedette.spdx.json" VERBATIM)
    list(JOIN SBOM_COMMAND "\" \"" SBOM_QUOTED)
    install(CODE "execute_process(COMMAND \"${SBOM_QUOTED}\" COMMAND_ERROR_IS_FATAL ANY)" COMPONENT server)
    install(FILES ${CMAKE_BINARY_DIR}/vedette.spdx.json DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT server)
  endif()
  list(APPEND components server)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vedette)
set(CPACK_PACKAGE_CONTACT "The Vedette developers <vedette@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL ${components})
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
if(CMAKE_CROSSCOMPILING)
  # tools/build_arm64.sh tells dpkg-shlibdeps which packages these libraries are from.
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${VEDETTE_SYSROOT}/lib/${CMAKE_LIBRARY_ARCHITECTURE} ${VEDETTE_SYSROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
endif()
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME vedette)
set(CPACK_COMPONENT_SERVER_DESCRIPTION
  "finds defects in pictures of manufactured parts\nOpen, self-hosted successor of Amazon Lookout for Vision: the same API, buckets behind an S3 endpoint, training and detection on two cores.")
set(CPACK_DEBIAN_SERVER_PACKAGE_RECOMMENDS "libopenblas0-pthread, ca-certificates")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/postinst ${PROJECT_SOURCE_DIR}/packaging/prerm
  ${PROJECT_SOURCE_DIR}/packaging/postrm ${PROJECT_SOURCE_DIR}/packaging/conffiles)

set(CPACK_DEBIAN_EDGE_PACKAGE_NAME vedette-edge)
set(CPACK_COMPONENT_EDGE_DESCRIPTION
  "finds defects in pictures of manufactured parts on the line\nThe agent that judges the pictures of a station by models that the server of Vedette has trained.")
set(CPACK_DEBIAN_EDGE_PACKAGE_DEPENDS passwd)  # Its script makes a user.
set(CPACK_DEBIAN_EDGE_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_EDGE_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/edge/postinst ${PROJECT_SOURCE_DIR}/packaging/edge/prerm
  ${PROJECT_SOURCE_DIR}/packaging/edge/postrm ${PROJECT_SOURCE_DIR}/packaging/edge/conffiles)

# Both programs must be of one build, since they share memory.
set(CPACK_DEBIAN_EDGE-CAMERA_PACKAGE_NAME vedette-edge-camera)
set(CPACK_DEBIAN_EDGE-CAMERA_PACKAGE_DEPENDS "vedette-edge (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_EDGE-CAMERA_PACKAGE_RECOMMENDS gstreamer1.0-plugins-good)
set(CPACK_COMPONENT_EDGE-CAMERA_DESCRIPTION
  "finds defects in pictures of manufactured parts on the line (cameras)\nTakes pictures for vedette-edge with V4L2, GStreamer (RTSP) and Aravis (GenICam).")

set(CPACK_DEBIAN_ENGINE_PACKAGE_NAME libvedette${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_ENGINE_PACKAGE_SECTION libs)
# Packages of programs that link the library find out from this that they need it. CPack has no such setting for one component, and only this one has a library.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")  # Functions are added to the library, and none changes.
set(CPACK_COMPONENT_ENGINE_DESCRIPTION
  "finds defects in pictures of manufactured parts (library)\nJudges pictures by models that Vedette has trained, in programs of one's own.")

set(CPACK_DEBIAN_ENGINE-DEV_PACKAGE_NAME libvedette-dev)
set(CPACK_DEBIAN_ENGINE-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_ENGINE-DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_ENGINE-DEV_PACKAGE_DEPENDS "libvedette${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_ENGINE-DEV_DESCRIPTION
  "finds defects in pictures of manufactured parts (header of the library)\nThe C interface of the engine, with packages for CMake and pkg-config.")
include(CPack)
