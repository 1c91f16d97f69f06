#include "http/peer_address.hpp"

#include <algorithm>

namespace vedette {

namespace ip = boost::asio::ip;

std::string peer_text(const ip::address& address) {
  if (!address.is_v6()) return address.to_string();
  auto six = address.to_v6();
  if (six.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, six).to_string();
  six.scope_id(0);
  return six.to_string();
}

std::string network_of(const std::string& peer) {
  boost::system::error_code error;
  const auto six = ip::make_address_v6(peer, error);
  if (error) return peer;
  auto bytes = six.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return ip::address_v6(bytes).to_string() + "/64";
}

bool is_loopback(const std::string& peer) {
  boost::system::error_code error;
  const auto address = ip::make_address(peer, error);
  return !error && address.is_loopback();
}

}  // namespace vedette
