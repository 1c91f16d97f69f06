#include "http/relay.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio.hpp>
#include <functional>
#include <thread>

#include "base/text.hpp"

namespace vedette {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Another node: it reads requests and answers each with the text that its function returns. An empty text closes the
/// connection. It serves one connection at a time.
class FakeNode {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  explicit FakeNode(Answer answer) : answer_(std::move(answer)), thread_([this] { serve(); }) {}
  ~FakeNode() {
    is_over_ = true;
    asio::io_context io;
    boost::system::error_code ignored;
    tcp::socket(io).connect(acceptor_.local_endpoint(), ignored);  // ends the wait for the next connection
    thread_.join();
  }
  FakeNode(const FakeNode&) = delete;
  FakeNode& operator=(const FakeNode&) = delete;
  [[nodiscard]] std::string address() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void serve() {
    while (true) {
      tcp::socket socket(io_);
      acceptor_.accept(socket);
      if (is_over_) return;
      ++connections_;
      while (true) {
        boost::system::error_code error;
        std::string request;
        const auto head = asio::read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", error);
        if (error) break;
        const auto at = request.find("content-length: ");
        const auto length = head + std::stoul(request.substr(at + 16));
        if (request.size() < length)
          asio::read(socket, asio::dynamic_buffer(request), asio::transfer_exactly(length - request.size()), error);
        if (error) break;
        const auto answer = answer_(request);
        asio::write(socket, asio::buffer(answer), error);
        if (answer.empty() || error || answer.find("Connection: close") != std::string::npos) break;
      }
    }
  }

  const Answer answer_;
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::atomic<bool> is_over_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nX-Amzn-RequestId: theirs\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

RequestHead a_call() {
  RequestHead head;
  head.method = "POST";
  head.path = "/2020-11-20/projects/p/models/1/detect";
  head.target = head.path + "?a=%2F";
  head.headers = {{"host", "vedette.plant"},
                  {"authorization", "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;x-amz-date, Signature=s"},
                  {"connection", "close"},
                  {"content-length", "7"},
                  {"x-amz-date", "20260101T000000Z"}};
  head.remote_address = "10.9.8.7";
  head.is_body_protected = true;
  return head;
}

class Relaying : public testing::Test {
 protected:
  Relay& relay() {
    if (!relay_) relay_ = std::make_unique<Relay>(options_, key_, [this] { return peers_; });
    return *relay_;
  }
  Result<Response> pass_on(std::vector<std::string> nodes) { return relay().pass_on(a_call(), "picture", nodes); }

  const FakeNode& add(FakeNode::Answer answer) {
    return *nodes_.emplace_back(std::make_unique<FakeNode>(std::move(answer)));
  }

  std::vector<std::unique_ptr<FakeNode>> nodes_;  // outlive the connections that the relay keeps
  RelayOptions options_;
  Sha256 key_ = {1, 2, 3};
  std::vector<Peer> peers_;
  std::unique_ptr<Relay> relay_;
};

TEST_F(Relaying, ACallIsPassedOnAsItCameAndSoIsItsAnswer) {
  std::string request;
  const auto& node = add([&](const std::string& r) {
    request = r;
    return ok("verdict");
  });
  peers_ = {{"b", node.address()}};
  const auto answer = pass_on({"b"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->headers, (HeaderList{{"X-Amzn-RequestId", "theirs"}}));
  EXPECT_EQ(answer->body, "verdict");
  EXPECT_EQ(answer->answered_by, "b");
  EXPECT_TRUE(
      request.starts_with("POST /2020-11-20/projects/p/models/1/detect?a=%2F HTTP/1.1\r\nhost: vedette.plant\r\n"));
  EXPECT_TRUE(request.ends_with("\r\n\r\npicture"));
  EXPECT_NE(request.find("Signature=s\r\nx-amz-date: 20260101T000000Z\r\ncontent-length: 7\r\n"), std::string::npos);
  EXPECT_EQ(request.find("connection: close"), std::string::npos);
  // The connection is kept.
  EXPECT_TRUE(pass_on({"b"}));
  EXPECT_EQ(node.connections(), 1);
}

TEST_F(Relaying, OnlyNodesSayWhoTheClientIs) {
  auto head = a_call();
  std::string claim;
  const auto& node = add([&](const std::string& r) {
    const auto at = r.find(kPassedOnHeader);
    claim = r.substr(at + 21, r.find("\r\n", at) - at - 21);
    return ok("");
  });
  peers_ = {{"b", node.address()}};
  ASSERT_TRUE(relay().pass_on(head, "picture", std::vector<std::string>{"b"}));
  head.remote_address = "10.0.0.1";  // what the other node sees of the connection
  head.headers.emplace_back(kPassedOnHeader, claim);
  const auto client = relay().client_of(head);
  ASSERT_TRUE(client) << claim;
  EXPECT_EQ(client->address, "10.9.8.7");
  EXPECT_FALSE(client->is_secure);
  EXPECT_TRUE(client->is_body_protected);
  EXPECT_FALSE(Relay({}, Sha256{9}, {}).client_of(head));  // an installation with another key
  for (const auto& forged : {std::string("1"), std::string(), "1 10.9.8.6" + claim.substr(10), claim + " ",
                             claim.substr(0, claim.size() - 1)}) {
    head.headers.back().second = forged;
    EXPECT_FALSE(relay().client_of(head)) << forged;
  }
  head.headers.back().second = claim;
  head.headers[1].second += "x";  // the claim belongs to one request
  EXPECT_FALSE(relay().client_of(head));
}

TEST_F(Relaying, ANodeThatDoesNotAnswerIsPassedOver) {
  std::string gone;
  {
    const FakeNode dead([](const std::string&) { return ""; });
    gone = dead.address();
  }
  const auto& breaks =
      add([](const std::string&) { return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nver"; });
  const auto& closes = add([](const std::string&) { return ""; });
  const auto& away =
      add([](const std::string&) { return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"; });
  const auto& speaks_otherwise = add([](const std::string&) { return "hello\r\n\r\nConnection: close"; });
  const auto& good = add([](const std::string&) { return ok("verdict"); });
  peers_ = {{"gone", gone},           {"breaks", breaks.address()},          {"closes", closes.address()},
            {"away", away.address()}, {"other", speaks_otherwise.address()}, {"good", good.address()}};
  const auto answer = pass_on({"unknown", "gone", "breaks", "closes", "away", "other", "good"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answered_by, "good");
  // For a while they are not asked again.
  EXPECT_TRUE(pass_on({"breaks", "good"}));
  EXPECT_EQ(breaks.connections(), 1);
  EXPECT_EQ(pass_on({"breaks", "gone"}).error().kind, ErrorKind::unavailable);
}

TEST_F(Relaying, OverloadedNodesAreTriedInTurnAndTheLastSaysSo) {
  const auto& full =
      add([](const std::string&) { return "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 1\r\n\r\na"; });
  const auto& too =
      add([](const std::string&) { return "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 1\r\n\r\nb"; });
  peers_ = {{"full", full.address()}, {"too", too.address()}};
  const auto answer = pass_on({"full", "too"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->answered_by, "too");
  options_.most_at_once = 0;
  relay_.reset();
  EXPECT_EQ(pass_on({"full"}).error().kind, ErrorKind::throttled);
}

TEST_F(Relaying, AKeptConnectionThatTheNodeHasClosedIsNoFault) {
  int calls = 0;
  const auto& node = add([&](const std::string&) { return ++calls == 2 ? std::string() : ok("x"); });
  peers_ = {{"b", node.address()}};
  ASSERT_TRUE(pass_on({"b"}));
  ASSERT_TRUE(pass_on({"b"}));  // it closes instead of answering, and gets the request again over a new connection
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(node.connections(), 2);
}

TEST_F(Relaying, TheWaitForAFrozenNodeEndsWhenItCountsAsDead) {
  asio::io_context io;
  tcp::acceptor frozen(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));  // takes connections, and nothing else
  frozen.listen();
  std::atomic<int> looks{0};
  const std::vector<Peer> all = {{"b", "http://127.0.0.1:" + std::to_string(frozen.local_endpoint().port())}};
  Relay relay(options_, key_, [&] { return ++looks < 4 ? all : std::vector<Peer>(); });
  const auto answer = relay.pass_on(a_call(), "picture", std::vector<std::string>{"b"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  // So does the wait of a client who hangs up.
  std::stop_source gone;
  auto head = a_call();
  head.abandoned = gone.get_token();
  Relay patient(options_, key_, [&] {
    gone.request_stop();
    return all;
  });
  EXPECT_EQ(patient.pass_on(head, "picture", std::vector<std::string>{"b"}).error().kind, ErrorKind::unavailable);
}

TEST_F(Relaying, WhatWasSignedForOneConnectionStaysHere) {
  auto head = a_call();
  head.headers[1].second = "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=connection;host, Signature=s";
  EXPECT_EQ(relay().pass_on(head, "", std::vector<std::string>{"b"}).error().kind, ErrorKind::unavailable);
}

TEST(RelayOptions, AFileWithoutAuthoritiesIsRefused) {
  RelayOptions options;
  options.ca_file = "/nowhere/ca.pem";
  EXPECT_THROW(Relay(options, Sha256{}, {}), std::runtime_error);
}

}  // namespace
}  // namespace vedette
