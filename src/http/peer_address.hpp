#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>

/// Writes the addresses of clients in the one spelling that policies, limits, log and audit use. All functions are
/// pure.
namespace vedette {

/// Returns an address as text. An IPv4 address on a dual-stack socket (::ffff:10.1.2.3) becomes the IPv4 address; an
/// IPv6 address loses its zone (%eth0).
std::string peer_text(const boost::asio::ip::address& address);

/// Returns the network that counts as one client, because one party can choose any address in it: the address itself
/// for IPv4, the first 64 bits for IPv6. `peer` is an address as peer_text() writes it.
std::string network_of(const std::string& peer);

/// Returns whether an address belongs to 127.0.0.0/8 or is ::1.
bool is_loopback(const std::string& peer);

}  // namespace vedette
