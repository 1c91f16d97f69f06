# Builds the web console and writes a C++ source that holds its files, each as it is and compressed with brotli and gzip.
#   cmake -DSOURCE=<root of the sources> -DFOLDER=<to work in> -DOUT=<the C++ source> -DNPM=<npm> -P build_console.cmake
cmake_minimum_required(VERSION 3.25)

function(run_npm)
  execute_process(COMMAND ${NPM} ${ARGN} WORKING_DIRECTORY ${FOLDER}/copy/console RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " words)
    message("${output}")
    message(FATAL_ERROR "The web console could not be built: `npm ${words}` failed. Without access to the npm registry, build the server with -DVEDETTE_CONSOLE=OFF")
  endif()
endfunction()

# The copy has the same shape as the source tree, because the console's types are made from the API models. Files that were deleted must not
# stay in it.
file(REMOVE_RECURSE ${FOLDER}/copy/console/src ${FOLDER}/copy/console/build ${FOLDER}/copy/console/public ${FOLDER}/copy/src ${FOLDER}/dist)
file(COPY ${SOURCE}/console DESTINATION ${FOLDER}/copy PATTERN node_modules EXCLUDE PATTERN dist EXCLUDE PATTERN generated.ts EXCLUDE)
file(COPY ${SOURCE}/docs/console/keys.md DESTINATION ${FOLDER}/copy/docs/console)  # A test compares it with the table of keys.
foreach(service lookoutvision vedette)
  file(COPY ${SOURCE}/src/api/${service}/model.json DESTINATION ${FOLDER}/copy/src/api/${service})
endforeach()

# Packages are fetched only if the lock file has changed since.
file(SHA256 ${SOURCE}/console/package-lock.json lock)
set(installed ${FOLDER}/copy/console/node_modules/.vedette-lock)
set(last "")
if(EXISTS ${installed})
  file(READ ${installed} last)
endif()
if(NOT last STREQUAL lock)
  run_npm(ci)
  file(WRITE ${installed} ${lock})
endif()
set(ENV{VEDETTE_CONSOLE_OUT} ${FOLDER}/dist)
run_npm(run build)

file(GLOB_RECURSE files RELATIVE ${FOLDER}/dist ${FOLDER}/dist/*)
list(FILTER files EXCLUDE REGEX "\\.(br|gz)$")
if(NOT "index.html" IN_LIST files)
  message(FATAL_ERROR "The web console could not be built: it has no index.html.")
endif()
set(bytes "")
set(declarations "")
set(rows "")
set(number 0)
foreach(file ${files})
  foreach(kind plain br gz)
    set(name vedette_console_${number}_${kind})
    set(path ${FOLDER}/dist/${file})
    if(NOT kind STREQUAL plain)
      string(APPEND path .${kind})
    endif()
    if(NOT EXISTS ${path})
      message(FATAL_ERROR "The web console could not be built: ${file} was not compressed.")
    endif()
    string(APPEND bytes "    \"${name}_begin: .incbin \\\"${path}\\\"\\n\"\n    \"${name}_end: .byte 0\\n\"\n    \".global ${name}_begin, ${name}_end\\n\"\n")
    string(APPEND declarations "extern \"C\" const char ${name}_begin[], ${name}_end[];\n")
  endforeach()
  set(name vedette_console_${number})
  string(APPEND rows "      {\"${file}\", between(${name}_plain_begin, ${name}_plain_end), between(${name}_br_begin, ${name}_br_end), between(${name}_gz_begin, ${name}_gz_end)},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "#include \"http/console_files.hpp\"
asm(\".pushsection .rodata\\n\"
${bytes}    \".popsection\\n\");
${declarations}namespace vedette::embedded {
namespace {
std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}
}  // namespace
std::span<const ConsoleFile> console_files() {
  static const ConsoleFile files[] = {
${rows}  };
  return files;
}
}  // namespace vedette::embedded
")
