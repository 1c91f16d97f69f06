#include "http/console_files.hpp"

#include <algorithm>
#include <map>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::string_view kFolder = "/console/";

/// Lets the page load only its own files and call only its own server. Nothing may be inline, and no other page may
/// frame it. Pictures come as blob: and data: URLs, since the page makes them of signed answers.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const char* type_of(std::string_view path) {
  static constexpr std::pair<std::string_view, const char*> kTypes[] = {{".html", "text/html; charset=utf-8"},
                                                                        {".js", "text/javascript; charset=utf-8"},
                                                                        {".css", "text/css; charset=utf-8"},
                                                                        {".svg", "image/svg+xml"},
                                                                        {".png", "image/png"},
                                                                        {".woff2", "font/woff2"},
                                                                        {".wasm", "application/wasm"},
                                                                        {".json", "application/json"},
                                                                        {".txt", "text/plain; charset=utf-8"}};
  for (const auto& [ending, type] : kTypes)
    if (path.ends_with(ending)) return type;
  return "application/octet-stream";
}

/// Returns whether a list of codings (RFC 9110, 12.5.3) names this one and does not exclude it with q=0.
bool takes(std::string_view codings, std::string_view name) {
  for (const auto coding : split(codings, ',')) {
    const auto parts = split(coding, ';');
    if (!equals_ignore_case(trim(parts[0]), name)) continue;
    return parts.size() < 2 || to_lower(trim(parts[1])).find_first_not_of("q=0.") != std::string::npos;
  }
  return false;
}

/// Returns whether a list of entity tags names one (RFC 9110, 13.1.2). A proxy may have made it a strong one.
bool names_tag(std::string_view list, std::string_view weak_tag) {
  for (auto one : split(list, ','))
    if (one = trim(one); one == weak_tag || one == weak_tag.substr(2) || one == "*") return true;
  return false;
}

Response page_headers(int status) {
  Response r;
  r.status = status;
  r.headers = {{"content-security-policy", kPolicy},
               {"x-content-type-options", "nosniff"},
               {"referrer-policy", "no-referrer"},
               {"cross-origin-opener-policy", "same-origin"}};
  return r;
}

Response not_found(std::string sentence) {
  auto r = page_headers(404);
  r.headers.emplace_back("content-type", "text/plain; charset=utf-8");
  r.body = std::move(sentence) + "\n";
  return r;
}

Response answer_file(const ConsoleFile& file, const std::string& etag, const RequestHead& head) {
  const bool is_lasting = file.path.starts_with("assets/");
  const bool is_unchanged = names_tag(header_value(head.headers, "if-none-match"), etag);
  auto r = page_headers(is_unchanged ? 304 : 200);
  r.headers.emplace_back("cache-control", is_lasting ? "public, max-age=31536000, immutable" : "no-cache");
  r.headers.emplace_back("vary", "accept-encoding");
  r.headers.emplace_back("etag", etag);
  if (is_unchanged) return r;
  r.headers.emplace_back("content-type", type_of(file.path));
  const auto codings = header_value(head.headers, "accept-encoding");
  const char* coding = takes(codings, "br") ? "br" : takes(codings, "gzip") ? "gzip" : nullptr;
  if (coding) r.headers.emplace_back("content-encoding", coding);
  r.body = std::string(!coding ? file.content : coding[0] == 'b' ? file.brotli : file.gzip);
  return r;
}

}  // namespace

std::vector<OpenRoute> console_routes(std::span<const ConsoleFile> files) {
  const auto redirect = [](const RequestHead&) {
    auto r = page_headers(302);
    r.headers.emplace_back("location", kFolder);
    return std::optional(std::move(r));
  };
  if (files.empty())
    return {{"/console", redirect}, {std::string(kFolder), [](const RequestHead&) {
                                       return not_found(
                                           "This server was built without the console (VEDETTE_CONSOLE=OFF). "
                                           "Everything else works.");
                                     }}};
  struct Entry {
    ConsoleFile file;
    std::string etag;
  };
  std::map<std::string, Entry, std::less<>> entries;
  // The tag is weak, because it is the same for all codings.
  for (const auto& file : files)
    entries[std::string(file.path)] = {file, "W/\"" + sha256_hex(file.content).substr(0, 32) + "\""};
  return {{"/console", redirect},
          {std::string(kFolder),
           [entries = std::move(entries)](const RequestHead& head) {
             const auto name = std::string_view(head.path).substr(kFolder.size());
             const auto found = entries.find(name.empty() ? std::string_view("index.html") : name);
             return found == entries.end() ? not_found("The console has no such page. It begins at /console/.")
                                           : answer_file(found->second.file, found->second.etag, head);
           }},
          // For any program but a browser this request is S3's ListBuckets without a key.
          {"/", [redirect](const RequestHead& head) {
             return is_browser(head) ? redirect(head) : std::optional<Response>();
           }}};
}

}  // namespace vedette
