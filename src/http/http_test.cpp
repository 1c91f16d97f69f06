#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <latch>

#include "http/connection_table.hpp"
#include "http/open_paths.hpp"
#include "http/peer_address.hpp"
#include "http/rate_limiter.hpp"
#include "http/response_headers.hpp"
#include "http/server.hpp"

namespace vedette {
namespace {

TEST(RateLimiter, AdmitsItsRateAndSaysWhenToComeBack) {
  RateLimiter limiter(2);
  const auto start = std::chrono::steady_clock::time_point{};
  EXPECT_TRUE(limiter.admit("a", start));
  EXPECT_TRUE(limiter.admit("a", start));
  const auto refused = limiter.admit("a", start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::throttled);
  EXPECT_EQ(refused.error().retry_after_seconds, 1);
  EXPECT_TRUE(limiter.admit("b", start));
  EXPECT_TRUE(limiter.admit("a", start + std::chrono::milliseconds(500)));
  EXPECT_FALSE(limiter.admit("a", start + std::chrono::milliseconds(500)));
}

TEST(RateLimiter, SlowRatesLetOneThroughAndZeroIsNoLimit) {
  RateLimiter slow(0.1), none(0);
  const auto start = std::chrono::steady_clock::time_point{};
  EXPECT_TRUE(slow.admit("a", start));
  EXPECT_EQ(slow.admit("a", start).error().retry_after_seconds, 10);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(none.admit("a", start));
}

TEST(RateLimiter, IsBoundedHoweverManyKeysThereAre) {
  RateLimiter limiter(1, 2);
  const auto start = std::chrono::steady_clock::time_point{};
  for (int i = 0; i < 4096; ++i) EXPECT_TRUE(limiter.admit(std::to_string(i), start));
  EXPECT_TRUE(limiter.admit("one more", start));
  EXPECT_TRUE(limiter.admit("and another", start));
  EXPECT_FALSE(limiter.admit("they share a bucket", start));
  EXPECT_TRUE(limiter.admit("17", start));
  EXPECT_FALSE(limiter.admit("17", start));
}

TEST(PeerAddress, HasOneSpelling) {
  const auto text = [](const char* address) { return peer_text(boost::asio::ip::make_address(address)); };
  EXPECT_EQ(text("::ffff:10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(text("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(text("2001:DB8:0::5"), "2001:db8::5");
  EXPECT_EQ(text("fe80::1%1"), "fe80::1");
  EXPECT_TRUE(is_loopback(text("::ffff:127.0.0.1")));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("10.0.0.1"));
  EXPECT_FALSE(is_loopback(""));
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), network_of("2001:db8:1:2::1"));
  EXPECT_NE(network_of("2001:db8:1:2::1"), network_of("2001:db8:1:3::1"));
  EXPECT_EQ(network_of("10.1.2.3"), "10.1.2.3");
}

TEST(ResponseHeaders, NoneEndsItsLine) {
  EXPECT_TRUE(are_sendable({{"x-amz-version-id", "a b\tc \xC3\xA9"}, {"empty", ""}}));
  for (const char* bad : {"a\r\nset-cookie: x", "a\nb", "a\rb", "a\x7f", "a\x01"})
    EXPECT_FALSE(are_sendable({{"good", "v"}, {"name", bad}})) << bad;
  EXPECT_FALSE(are_sendable({{"name", std::string("a\0b", 3)}}));
  for (const char* bad : {"", "a b", "a:b", "a\r\nb", "x-\xC3\xA9"}) EXPECT_FALSE(are_sendable({{bad, "v"}})) << bad;
}

class Table : public testing::Test {
 protected:
  ConnectionTable::Time at(int seconds) { return ConnectionTable::Time{} + std::chrono::seconds(seconds); }
  std::function<void()> note(int which) {
    return [this, which] { closed_.push_back(which); };
  }
  std::vector<int> closed_;
};

TEST_F(Table, WhenItIsFullTheLongestWaitGoesFirstAndWorkNever) {
  ConnectionTable table(3, 0);
  auto first = table.enter("10.0.0.1", at(1), note(1)), second = table.enter("10.0.0.2", at(2), note(2)),
       third = table.enter("10.0.0.3", at(3), note(3));
  first->work();
  third->wait(at(0));
  auto fourth = table.enter("10.0.0.4", at(4), note(4));
  ASSERT_TRUE(fourth);
  EXPECT_EQ(closed_, std::vector<int>{3});
  EXPECT_TRUE(third->is_closed());
  EXPECT_EQ(table.size(), 3U);
  third.reset();
  EXPECT_EQ(table.size(), 3U);
  second->work();
  fourth->work();
  EXPECT_FALSE(table.enter("10.0.0.5", at(5), note(5)));
  first.reset();
  EXPECT_TRUE(table.enter("10.0.0.5", at(6), note(5)));
  EXPECT_EQ(closed_, std::vector<int>{3});
}

TEST_F(Table, ANetworkHasAShareAndLoopbackNone) {
  ConnectionTable table(10, 2);
  auto other = table.enter("10.0.0.9", at(0), note(9));
  auto a = table.enter("2001:db8::1", at(1), note(1)), b = table.enter("2001:db8::2", at(2), note(2));
  auto c = table.enter("2001:db8::3", at(3), note(3));
  ASSERT_TRUE(c);
  EXPECT_EQ(closed_, std::vector<int>{1});  // its own, not the one that has waited longest of all
  b->work();
  c->work();
  EXPECT_FALSE(table.enter("2001:db8::4", at(4), note(4)));
  auto d = table.enter("127.0.0.1", at(5), note(5)), e = table.enter("127.0.0.1", at(5), note(6)),
       f = table.enter("127.0.0.1", at(5), note(7));
  EXPECT_TRUE(d && e && f);
}

TEST(OpenPaths, MetricsAreShownToWhomTheyAreMeantFor) {
  const auto status = [](MetricsAccess access, const char* address, const std::string& authorization = {}) {
    const OpenPaths paths(
        {}, "1", [] { return "metrics"; }, std::move(access), [] { return true; });
    RequestHead head;
    head.method = "GET";
    head.path = "/metrics";
    head.remote_address = address;
    if (!authorization.empty()) head.headers.emplace_back("authorization", authorization);
    const auto answer = paths.answer(head);
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer->body == "metrics", answer->status == 200);
    return answer->status;
  };
  using Kind = MetricsAccess::Kind;
  EXPECT_EQ(status({Kind::open, ""}, "10.0.0.1"), 200);
  EXPECT_EQ(status({Kind::loopback, ""}, "10.0.0.1"), 403);
  EXPECT_EQ(status({Kind::loopback, ""}, "127.0.0.1"), 200);
  EXPECT_EQ(status({Kind::loopback, ""}, "::1"), 200);
  EXPECT_EQ(status({Kind::token, "secret"}, "127.0.0.1"), 401);
  EXPECT_EQ(status({Kind::token, "secret"}, "127.0.0.1", "Bearer secre"), 401);
  EXPECT_EQ(status({Kind::token, "secret"}, "10.0.0.1", "Bearer secret"), 200);
}

TEST(OpenPaths, ARowOpensItsPathOrWhatLiesBelowItAndNothingElse) {
  const auto echo = [](const RequestHead& head) {
    Response r;
    r.body = head.path;
    return r;
  };
  const OpenPaths paths({{"/healthz", echo}, {"/console/", echo}, {"/", echo}});
  const auto answer = [&](const char* method, const char* path, HeaderList headers = {}, const char* query = "") {
    RequestHead head;
    head.method = method;
    head.path = path;
    head.query = query;
    head.headers = std::move(headers);
    return paths.answer(head);
  };
  for (const char* open : {"/healthz", "/console/", "/console/app.js", "/"}) {
    const auto got = answer("GET", open);
    ASSERT_TRUE(got) << open;
    EXPECT_EQ(got->body, open);
  }
  for (const char* closed : {"/healthz/", "/healthzz", "/console", "/consoles", "/bucket", "//"})
    EXPECT_FALSE(answer("GET", closed)) << closed;
  const auto head = answer("HEAD", "/healthz");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->head_length, 8U);
  EXPECT_EQ(head->body, "");
  EXPECT_FALSE(answer("PUT", "/console/app.js"));
  EXPECT_FALSE(answer("GET", "/healthz", {{"authorization", "AWS4-HMAC-SHA256 Credential=x"}}));
  EXPECT_FALSE(answer("GET", "/healthz", {}, "X-Amz-Signature=00"));
  EXPECT_TRUE(answer("GET", "/healthz", {{"authorization", "Bearer x"}}));
}

TEST(OpenPaths, NoBucketCanHaveTheNameOfOne) {
  EXPECT_THROW(OpenPaths({{"/line7/", [](const RequestHead&) { return Response(); }}}), std::logic_error);
}

/// Answers with what its tests want: /slow waits for a model until its caller hangs up, /quick does not; /refused is refused by its head.
class Waiting : public RequestHandler {
 public:
  std::unique_ptr<Exchange> open(RequestHead head) override { return std::make_unique<Call>(*this, std::move(head)); }
  std::latch began{1};
  std::promise<void> abandoned;

 private:
  class Call : public Exchange {
   public:
    Call(Waiting& all, RequestHead head) : all_(all), head_(std::move(head)) {}
    std::optional<Response> begin() override {
      if (head_.path != "/refused") return std::nullopt;
      Response r;
      r.status = 403;
      return r;
    }
    std::uint64_t body_limit() const override { return 1000; }
    bool is_verified() const override { return head_.path == "/slow"; }
    bool accept_blocks() const override { return false; }
    bool waits_for_model() const override { return head_.path == "/slow"; }
    Result<void> accept(std::span<const std::uint8_t>) override { return {}; }
    Response abort(const Error&) override { return {}; }
    Response finish() override {
      if (waits_for_model()) {
        std::latch gone{1};
        const std::stop_callback note(head_.abandoned, [&] { gone.count_down(); });
        all_.began.count_down();
        gone.wait();
        all_.abandoned.set_value();
      }
      Response r;
      r.body = "done";
      if (head_.path == "/split") r.headers.emplace_back("x-id", "1\r\nset-cookie: stolen");
      if (head_.path == "/echo")
        for (const auto& [name, value] : head_.headers) r.body += name + "=" + value + ";";
      return r;
    }

   private:
    Waiting& all_;
    const RequestHead head_;
  };
};

class Caller {
 public:
  explicit Caller(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0)
      throw std::runtime_error("no connection");
  }
  ~Caller() { hang_up(); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  void post(const std::string& path, const std::string& headers = {}) {
    const auto text = "POST " + path + " HTTP/1.1\r\nhost: x\r\n" + headers + "content-length: 2\r\n\r\nhi";
    ASSERT_EQ(::send(socket_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  std::string answer() {
    std::string text(4096, ' ');
    const auto n = ::recv(socket_, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, n)));
    return text;
  }
  void hang_up() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
};

TEST(Server, ACallThatWaitsForAModelHearsThatItsCallerHungUpAndKeepsNobodyWaiting) {
  Waiting handler;
  ServerOptions options;
  options.port = 0;
  options.request_threads = 1;
  options.detection_threads = 1;
  HttpServer server(handler, options);
  server.start();
  Caller slow(server.port()), quick(server.port());
  slow.post("/slow");
  handler.began.wait();
  quick.post("/quick");
  EXPECT_NE(quick.answer().find("done"), std::string::npos);
  auto abandoned = handler.abandoned.get_future();
  slow.hang_up();
  abandoned.wait();
}

TEST(Server, AnEarlyRefusalOfACallWithASmallBodyLeavesTheConnectionAsItWas) {
  Waiting handler;
  ServerOptions options;
  options.port = 0;
  HttpServer server(handler, options);
  server.start();
  Caller caller(server.port());
  caller.post("/refused");
  EXPECT_NE(caller.answer().find("403"), std::string::npos);
  caller.post("/quick");
  EXPECT_NE(caller.answer().find("done"), std::string::npos);
}

TEST(Server, ASplitHeaderIsNeverSent) {
  Waiting handler;
  ServerOptions options;
  options.port = 0;
  HttpServer server(handler, options);
  server.start();
  Caller caller(server.port());
  caller.post("/split");
  const auto answer = caller.answer();
  EXPECT_NE(answer.find(" 500 "), std::string::npos) << answer;
  EXPECT_EQ(answer.find("set-cookie"), std::string::npos);
}

TEST(Server, ARepeatedHeaderIsReadAsItIsSignedAndARepeatedHostIsRefused) {
  Waiting handler;
  ServerOptions options;
  options.port = 0;
  HttpServer server(handler, options);
  server.start();
  Caller caller(server.port());
  caller.post("/echo", "x-amz-copy-source: /a/b\r\nx-amz-meta-a: 1\r\nx-amz-copy-source: c\r\n");
  EXPECT_NE(caller.answer().find("x-amz-copy-source=/a/b,c;x-amz-meta-a=1;"), std::string::npos);
  caller.post("/echo", "host: y\r\n");
  EXPECT_NE(caller.answer().find(" 400 "), std::string::npos);
}

TEST(Server, SilentConnectionsShutNobodyOut) {
  Waiting handler;
  ServerOptions options;
  options.port = 0;
  options.most_connections = 2;
  HttpServer server(handler, options);
  server.start();
  Caller working(server.port());
  working.post("/slow");
  handler.began.wait();
  std::vector<std::unique_ptr<Caller>> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(std::make_unique<Caller>(server.port()));
  Caller caller(server.port());
  caller.post("/quick");
  EXPECT_NE(caller.answer().find("done"), std::string::npos);
  EXPECT_EQ(silent[0]->answer(), "");  // closed
  auto abandoned = handler.abandoned.get_future();
  working.hang_up();
  abandoned.wait();
}

TEST(Server, EndsWhileACallerKeepsAnIdleConnection) {
  Waiting handler;
  ServerOptions options;
  options.port = 0;
  auto server = std::make_unique<HttpServer>(handler, options);
  server->start();
  Caller idle(server->port()), silent(server->port());
  idle.post("/quick");
  EXPECT_NE(idle.answer().find("done"), std::string::npos);
  server.reset();  // while the coroutines of both connections still wait: what they give back must still be there
  EXPECT_EQ(idle.answer(), "");
}

}  // namespace
}  // namespace vedette
