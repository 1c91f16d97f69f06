#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>

/// Addresses of clients, in the one spelling that policies, limits, log and audit see. Pure functions.
namespace vedette {

/// An IPv4 address that reaches a dual-stack socket (::ffff:10.1.2.3) becomes the IPv4 address; an IPv6 address loses its zone (%eth0).
std::string peer_text(const boost::asio::ip::address& address);

/// What one party can choose freely counts as one: an IPv4 address itself, the first 64 bits of an IPv6 address. `peer` is as peer_text()
/// writes it.
std::string network_of(const std::string& peer);

/// 127.0.0.0/8 and ::1.
bool is_loopback(const std::string& peer);

}  // namespace vedette
