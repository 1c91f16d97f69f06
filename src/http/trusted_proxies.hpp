#pragma once

#include <boost/asio/ip/address_v6.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "signing/signing.hpp"

namespace vedette {

/// Who a request comes from, when a proxy may stand between the client and this server.
struct Origin {
  std::string address;     ///< the client's, as peer_text() writes it
  bool is_secure = false;  ///< the client speaks TLS
  /// Nobody between the client and this server could change a body unnoticed: it came over TLS, or from this machine, or from a trusted
  /// proxy that does not say that its client speaks plain HTTP.
  bool is_body_protected = false;
};

/// The proxies whose word about their clients counts. Whoever is named here may claim to speak for any address. Immutable; any thread.
class TrustedProxies {
 public:
  TrustedProxies() = default;  ///< nobody is trusted
  /// Each text is an IP address or a block of addresses in CIDR notation (RFC 4632), such as 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32. Fails
  /// with invalid_input, naming the text that is neither.
  static Result<TrustedProxies> parse(const std::vector<std::string>& blocks);

  /// `address` is as peer_text() writes it.
  [[nodiscard]] bool contains(const std::string& address) const;

  /// The origin of a request with these headers (names in lower case, repeated ones joined by commas) that `peer` sent, over TLS or not.
  /// From a trusted proxy, X-Forwarded-For is read from its right end: each proxy appends the address of its own client there, so the first
  /// address that is no trusted proxy is the client's, and what stands left of it may be invented. An entry that is no address, and the
  /// 32nd one, end the reading: the proxy that wrote it then counts as the client. X-Forwarded-Proto says whether the client speaks TLS;
  /// every value in it must be "https". From anybody else both headers are ignored.
  [[nodiscard]] Origin origin_of(const std::string& peer, bool is_tls, const HeaderList& headers) const;

 private:
  /// IPv4 addresses are kept as IPv6 addresses that stand for them (::ffff:a.b.c.d).
  struct Block {
    boost::asio::ip::address_v6::bytes_type bytes;
    int prefix;  ///< how many leading bits must agree, 0 … 128
  };
  std::vector<Block> blocks_;
};

}  // namespace vedette
