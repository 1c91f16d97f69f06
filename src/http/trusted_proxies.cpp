#include "http/trusted_proxies.hpp"

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>

#include "base/text.hpp"
#include "http/peer_address.hpp"

namespace vedette {
namespace {

namespace ip = boost::asio::ip;

constexpr int kMostHops = 32;
constexpr std::size_t kLongestEntry = 80;  // longer than an IPv6 address with a zone, brackets and a port
constexpr int kBits = 128, kMappedBits = 96;

ip::address_v6::bytes_type bytes_of(const ip::address& address) {
  return (address.is_v6() ? address.to_v6() : ip::make_address_v6(ip::v4_mapped, address.to_v4())).to_bytes();
}

std::optional<ip::address> parse_address(std::string_view text) {
  if (text.size() > kLongestEntry) return std::nullopt;
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

/// Reads an entry of X-Forwarded-For: an address that may have a port. An IPv6 address may stand in brackets, and must
/// if a port follows.
std::optional<ip::address> parse_entry(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || (end + 1 != text.size() && text[end + 1] != ':')) return std::nullopt;
    const auto address = parse_address(text.substr(1, end - 1));
    return address && address->is_v6() ? address : std::nullopt;
  }
  if (const auto colon = text.find(':'); colon != std::string_view::npos && text.find('.') < colon)
    text = text.substr(0, colon);
  return parse_address(text);
}

/// Removes the last value of a list that is separated by commas, and returns it.
std::string_view take_last(std::string_view& list) {
  const auto comma = list.rfind(',');
  const auto last = comma == std::string_view::npos ? list : list.substr(comma + 1);
  list = list.substr(0, comma == std::string_view::npos ? 0 : comma);
  return trim(last);
}

}  // namespace

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& blocks) {
  TrustedProxies out;
  for (const auto& text : blocks) {
    const auto slash = text.find('/');
    const auto address = parse_address(std::string_view(text).substr(0, slash));
    const std::int64_t most = address && address->is_v4() ? kBits - kMappedBits : kBits;
    const std::int64_t prefix =
        slash == std::string::npos ? most : parse_integer(std::string_view(text).substr(slash + 1)).value_or(-1);
    if (!address || prefix < 0 || prefix > most)
      return invalid_input("\"" + text + "\" is neither an IP address nor a block of them, such as 10.0.0.0/8");
    out.blocks_.push_back({bytes_of(*address), static_cast<int>(prefix + kBits - most)});
  }
  return out;
}

bool TrustedProxies::contains(const std::string& text) const {
  if (blocks_.empty()) return false;
  const auto address = parse_address(text);
  if (!address) return false;
  const auto bytes = bytes_of(*address);
  for (const auto& block : blocks_) {
    if (address->is_v4() && block.prefix < kMappedBits) continue;  // the block ::/0 means IPv6 addresses only
    int bit = 0;
    const auto differs = [&](int at) {
      const auto byte = static_cast<std::size_t>(at / 8);
      return ((bytes[byte] ^ block.bytes[byte]) >> (7 - at % 8) & 1) != 0;
    };
    while (bit < block.prefix && !differs(bit)) ++bit;
    if (bit == block.prefix) return true;
  }
  return false;
}

Origin TrustedProxies::origin_of(const std::string& peer, bool is_tls, const HeaderList& headers) const {
  if (!contains(peer)) return {peer, is_tls, is_tls || is_loopback(peer)};
  Origin origin{peer, is_tls, true};
  auto addresses = header_value(headers, "x-forwarded-for");
  for (int hop = 0; hop < kMostHops && !addresses.empty() && contains(origin.address); ++hop) {
    const auto address = parse_entry(take_last(addresses));
    if (!address) break;
    origin.address = peer_text(*address);
  }
  if (auto schemes = header_value(headers, "x-forwarded-proto"); !schemes.empty()) {
    origin.is_secure = true;
    while (!schemes.empty() && origin.is_secure) origin.is_secure = equals_ignore_case(take_last(schemes), "https");
    origin.is_body_protected = origin.is_secure || is_loopback(origin.address);
  }
  return origin;
}

}  // namespace vedette
