# The library vedette_console holds the files of the web console (console/), so that the program `vedette` needs no files beside it. Node and
# npm are needed only to build it. Nothing is written into the source tree: the console is built in a copy (build_console.cmake).
set(CONSOLE_FOLDER ${CMAKE_BINARY_DIR}/console)
set(CONSOLE_SOURCE ${CONSOLE_FOLDER}/console_files.cpp)
if(VEDETTE_CONSOLE)
  find_program(NODE node)
  find_program(NPM npm)
  if(NODE)
    execute_process(COMMAND ${NODE} --version OUTPUT_VARIABLE NODE_VERSION OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REPLACE "v" "" NODE_VERSION "${NODE_VERSION}")
  endif()
  if(NOT NODE OR NOT NPM OR NODE_VERSION VERSION_LESS 18)
    message(FATAL_ERROR "The web console is built with Node 18 or newer and npm, which are missing here. Install them (Debian 12: apt-get install "
      "nodejs npm), or build the server without the console: -DVEDETTE_CONSOLE=OFF")
  endif()
  file(GLOB_RECURSE CONSOLE_INPUTS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/console/src/* ${PROJECT_SOURCE_DIR}/console/public/* ${PROJECT_SOURCE_DIR}/console/build/* ${PROJECT_SOURCE_DIR}/console/browser/*)
  list(FILTER CONSOLE_INPUTS EXCLUDE REGEX "/generated\\.ts$")
  file(GLOB CONSOLE_SETTINGS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/console/*.json ${PROJECT_SOURCE_DIR}/console/*.ts ${PROJECT_SOURCE_DIR}/console/*.html
    ${PROJECT_SOURCE_DIR}/src/api/*/model.json)
  add_custom_command(OUTPUT ${CONSOLE_SOURCE}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DFOLDER=${CONSOLE_FOLDER} -DOUT=${CONSOLE_SOURCE} -DNPM=${NPM} -P ${PROJECT_SOURCE_DIR}/cmake/build_console.cmake
    DEPENDS ${CONSOLE_INPUTS} ${CONSOLE_SETTINGS} ${PROJECT_SOURCE_DIR}/console/.npmrc ${PROJECT_SOURCE_DIR}/cmake/build_console.cmake
    COMMENT "Building the web console (npm)" VERBATIM)
else()
  message(STATUS "The server is built without the web console (VEDETTE_CONSOLE=OFF).")
  file(CONFIGURE OUTPUT ${CONSOLE_SOURCE} @ONLY CONTENT [=[
#include "http/console_files.hpp"
std::span<const vedette::ConsoleFile> vedette::embedded::console_files() {
  return {};
}
]=])
endif()
add_library(vedette_console STATIC ${CONSOLE_SOURCE})
target_include_directories(vedette_console PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_compile_features(vedette_console PRIVATE cxx_std_20)
