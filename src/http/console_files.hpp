#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/open_paths.hpp"

namespace vedette {

/// One file of the built web console, as it is in the program.
struct ConsoleFile {
  std::string_view path;     ///< below /console/, such as "index.html" or "assets/main-4f2a.js"
  std::string_view content;  ///< the file as it was built
  std::string_view brotli;   ///< the same, compressed with brotli
  std::string_view gzip;     ///< the same, compressed with gzip, for browsers that take brotli over TLS only
};

/// Returns the routes of the console: /console/ with the files below it, and /console and, for browsers, "/", which lead
/// there. Files are sent as they are; nothing is compressed here. Those below assets/ have a hash of their content in
/// their names, so that browsers keep them for ever; they ask for all others each time (ETag). Without files, for a
/// program that was built without the console, /console/ says so with 404, and "/" is not among the routes. What the
/// files point to must outlive the routes.
std::vector<OpenRoute> console_routes(std::span<const ConsoleFile> files);

namespace embedded {
/// Returns the files of the console that was built into the program (cmake/console.cmake), none with
/// VEDETTE_CONSOLE=OFF. Only the program `vedette` links it.
std::span<const ConsoleFile> console_files();
}  // namespace embedded

}  // namespace vedette
