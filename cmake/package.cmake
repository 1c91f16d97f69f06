# This file says what is installed. `cpack --config build/release/CPackConfig.cmake` makes a Debian package of it.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # Installing builds the two programs and not the tests.
install(TARGETS vedette vedette-trainer RUNTIME DESTINATION bin)
install(FILES packaging/vedette.service DESTINATION lib/systemd/system)
install(FILES packaging/default DESTINATION /etc/default RENAME vedette)
install(FILES README.md LICENSE SECURITY.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")

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
  install(CODE "execute_process(COMMAND \"${SBOM_QUOTED}\" COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${CMAKE_BINARY_DIR}/vedette.spdx.json DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vedette)
set(CPACK_PACKAGE_CONTACT "The Vedette developers <vedette@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "finds defects in pictures of manufactured parts")
set(CPACK_PACKAGE_DESCRIPTION
  "Open, self-hosted successor of Amazon Lookout for Vision: the same API, buckets behind an S3 endpoint, training and detection on two cores.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libopenblas0-pthread, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/postinst ${PROJECT_SOURCE_DIR}/packaging/prerm
  ${PROJECT_SOURCE_DIR}/packaging/postrm ${PROJECT_SOURCE_DIR}/packaging/conffiles)
include(CPack)
