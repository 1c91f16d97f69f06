#pragma once

#include <boost/asio/ip/address_v6.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "signing/signing.hpp"

namespace vedette {

/// Says who a request comes from, when a proxy may stand between the client and this server.
struct Origin {
  std::string address;     ///< the client's address, as peer_text() writes it
  bool is_secure = false;  ///< whether the client speaks TLS
  /// Whether nobody between the client and this server could have changed a body unnoticed: the body came over TLS, or
  /// from this machine, or from a trusted proxy that does not say that its client speaks plain HTTP.
  bool is_body_protected = false;
};

/// The proxies whose word about their clients counts. A proxy that is named here may claim to speak for any address. It
/// is immutable; any thread may use it.
class TrustedProxies {
 public:
  TrustedProxies() = default;  ///< trusts no proxy
  /// Reads the proxies. Each text is an IP address or a block of addresses in CIDR notation (RFC 4632), such as
  /// 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32. Fails with invalid_input, naming the text that is neither.
  static Result<TrustedProxies> parse(const std::vector<std::string>& blocks);

  /// Returns whether an address is one of the proxies. `address` is written as peer_text() writes it.
  [[nodiscard]] bool contains(const std::string& address) const;

  /// Returns the origin of a request that `peer` sent with these headers (names in lower case, repeated ones joined by
  /// commas). `is_tls` says whether `peer` speaks TLS.
  ///
  /// If `peer` is a trusted proxy, X-Forwarded-For is read from its right end: each proxy appends the address of its
  /// own client there, so the first address that is not a trusted proxy is the client's, and the entries to its left
  /// may be invented. An entry that is not an address, and the 32nd entry, end the reading; the proxy that wrote the
  /// entry then counts as the client. X-Forwarded-Proto says whether the client speaks TLS; every value in it must be
  /// "https". If `peer` is anybody else, both headers are ignored.
  [[nodiscard]] Origin origin_of(const std::string& peer, bool is_tls, const HeaderList& headers) const;

 private:
  /// An address block. IPv4 addresses are kept as the IPv6 addresses that stand for them (::ffff:a.b.c.d).
  struct Block {
    boost::asio::ip::address_v6::bytes_type bytes;
    int prefix;  ///< how many leading bits must agree, 0 … 128
  };
  std::vector<Block> blocks_;
};

}  // namespace vedette
