#include "http/connection_table.hpp"

#include "http/peer_address.hpp"

namespace vedette {

std::optional<ConnectionTable::Place> ConnectionTable::enter(const std::string& peer, Time now,
                                                             std::function<void()> close) {
  const auto network = most_per_network_ == 0 || is_loopback(peer) ? std::string() : network_of(peer);
  if (!network.empty()) {
    const auto it = networks_.find(network);
    if (it != networks_.end() && it->second >= most_per_network_ && !close_longest(&network)) return std::nullopt;
  }
  if (open_ >= most_ && !close_longest(nullptr)) return std::nullopt;
  entries_.push_back({network, std::move(close), now});
  ++open_;
  if (!network.empty()) ++networks_[network];
  return std::optional<Place>(std::in_place, *this, std::prev(entries_.end()));
}

bool ConnectionTable::close_longest(const std::string* network) {
  Entry* longest = nullptr;
  for (auto& entry : entries_) {
    if (entry.state == State::working || entry.is_closed || (network != nullptr && entry.network != *network)) continue;
    if (longest == nullptr || entry.waits_since < longest->waits_since) longest = &entry;
  }
  if (longest == nullptr) return false;
  close(*longest);
  return true;
}

void ConnectionTable::close_idle() {
  for (auto& entry : entries_)
    if (entry.state == State::idle && !entry.is_closed) close(entry);
}

void ConnectionTable::close_all() {
  for (auto& entry : entries_)
    if (!entry.is_closed) close(entry);
}

void ConnectionTable::close(Entry& entry) {
  forget(entry);
  entry.close();
}

void ConnectionTable::forget(Entry& entry) {
  entry.is_closed = true;
  --open_;
  if (entry.network.empty()) return;
  const auto it = networks_.find(entry.network);
  if (--it->second == 0) networks_.erase(it);
}

void ConnectionTable::leave(std::list<Entry>::iterator entry) {
  if (!entry->is_closed) forget(*entry);
  entries_.erase(entry);
}

}  // namespace vedette
