#include "server/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {

std::int64_t default_model_memory() {
  return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE) / 2 >> 20;
}

ServerOptions http_options(const ServerSettings& settings) {
  const auto colon = settings.listen.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(std::string_view(settings.listen).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535)
    throw std::runtime_error("--listen wants ADDRESS:PORT, not " + settings.listen);
  ServerOptions http;
  http.address = settings.listen.substr(0, colon);
  if (http.address.size() > 2 && http.address.front() == '[' && http.address.back() == ']')
    http.address = http.address.substr(1, http.address.size() - 2);
  if (http.address == "localhost") http.address = "127.0.0.1";
  http.port = static_cast<std::uint16_t>(*port);
  const bool is_loopback = http.address.starts_with("127.") || http.address == "::1";
  if (settings.tls_certificate.empty() != settings.tls_key.empty())
    throw std::runtime_error("--tls-cert and --tls-key go together");
  http.most_connections = settings.most_connections;
  http.most_per_network = settings.connections_per_address;
  auto proxies = TrustedProxies::parse(settings.trusted_proxies);
  if (!proxies) throw std::runtime_error("--trusted-proxy: " + proxies.error().message);
  http.proxies = std::move(*proxies);
  http.tls_certificate = settings.tls_certificate;
  http.tls_key = settings.tls_key;
  if (!is_loopback && settings.tls_certificate.empty() && !settings.insecure_http)
    throw std::runtime_error(
        "plain HTTP is offered on loopback only; give --tls-cert and --tls-key, or say --insecure-http");
  return http;
}

std::string node_address(const ServerSettings& settings, std::uint16_t port) {
  if (!settings.node_address.empty()) {
    const auto wrong = [&] {
      return std::runtime_error("--node-address wants http://HOST:PORT or https://HOST:PORT, not " +
                                settings.node_address);
    };
    std::string_view rest = settings.node_address;
    const bool is_https = rest.starts_with("https://");
    if (!is_https && !rest.starts_with("http://")) throw wrong();
    rest.remove_prefix(is_https ? 8 : 7);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const auto is_possible = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             std::string_view(".-_:[]").find(c) != std::string_view::npos;
    };
    if (rest.empty() || rest.size() > 255 || !std::ranges::all_of(rest, is_possible)) throw wrong();
    return (is_https ? "https://" : "http://") + std::string(rest);
  }
  const auto http = http_options(settings);
  if (http.address == "0.0.0.0" || http.address == "::") return "";
  const bool is_ipv6 = http.address.find(':') != std::string::npos;
  return std::string(http.tls_certificate.empty() ? "http://" : "https://") +
         (is_ipv6 ? "[" + http.address + "]" : http.address) + ":" + std::to_string(port);
}

MetricsAccess metrics_access(const ServerSettings& settings) {
  MetricsAccess access;
  if (settings.metrics_access == "loopback") access.kind = MetricsAccess::Kind::loopback;
  if ((settings.metrics_access == "token") != !settings.metrics_token_file.empty())
    throw std::runtime_error("--metrics-access token and --metrics-token-file go together");
  if (settings.metrics_access != "token") return access;
  constexpr std::size_t kLongest = 4096, kShortest = 16;
  const auto bytes = read_file(settings.metrics_token_file, kLongest);
  if (!bytes) throw std::runtime_error(bytes.error().message);
  access.kind = MetricsAccess::Kind::token;
  access.token = std::string(trim(as_text(*bytes)));
  if (access.token.size() < kShortest)
    throw std::runtime_error("the token in " + settings.metrics_token_file + " has fewer than 16 characters");
  return access;
}

}  // namespace vedette
