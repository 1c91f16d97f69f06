# What is installed, and the Debian package made of it: `cpack --config build/release/CPackConfig.cmake`.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # the two programs, not the tests
install(TARGETS vedette vedette-trainer RUNTIME DESTINATION bin)
install(FILES packaging/vedette.service DESTINATION lib/systemd/system)
install(FILES packaging/default DESTINATION /etc/default RENAME vedette)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")

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
  ${PROJECT_SOURCE_DIR}/packaging/conffiles)
include(CPack)
