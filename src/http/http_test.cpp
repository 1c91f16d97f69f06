#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <latch>

#include "http/rate_limiter.hpp"
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
  void post(const std::string& path) {
    const auto text = "POST " + path + " HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi";
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

}  // namespace
}  // namespace vedette
