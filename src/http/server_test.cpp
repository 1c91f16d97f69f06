// Tests the server on real sockets: what its clients see of deadlines, refusals and the end of the server.
#include "http/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <future>
#include <latch>
#include <optional>
#include <regex>
#include <semaphore>
#include <stdexcept>

namespace vedette {
namespace {

/// Answers each path in the way that the tests need. /slow waits for a model until its caller is gone. The head of
/// /refused is refused. Callers of /known are verified by their head; callers of other paths never are.
class Handler : public RequestHandler {
 public:
  std::unique_ptr<Exchange> open(RequestHead head) override {
    opened.release();
    return std::make_unique<Call>(*this, std::move(head));
  }
  std::counting_semaphore<> opened{0};
  std::latch began{1};             // begin() of /slow was reached
  std::promise<void> abandoned{};  // the caller of /slow is gone
  std::latch made{1};              // the answer of /large is made

 private:
  class Call : public Exchange {
   public:
    Call(Handler& all, RequestHead head) : all_(all), head_(std::move(head)) {}
    std::optional<Response> begin() override {
      if (head_.path == "/refused") return status(403);
      return std::nullopt;
    }
    std::uint64_t body_limit() const override { return 1 << 20; }
    bool is_verified() const override { return head_.path == "/slow" || head_.path == "/known"; }
    bool accept_blocks() const override { return false; }
    bool waits_for_model() const override { return head_.path == "/slow"; }
    Result<void> accept(std::span<const std::uint8_t> bytes) override {
      received_ += bytes.size();
      return {};
    }
    Response abort(const Error& error) override {
      auto r = status(400);
      r.body = error.code;
      return r;
    }
    Response finish() override {
      if (waits_for_model()) {
        std::latch gone{1};
        const std::stop_callback note(head_.abandoned, [&] { gone.count_down(); });
        all_.began.count_down();
        gone.wait();
        all_.abandoned.set_value();
      }
      auto r = status(200);
      r.body = "done with " + std::to_string(received_);
      if (head_.path == "/split") r.headers.emplace_back("x-id", "1\r\nset-cookie: stolen");
      if (head_.path == "/echo")
        for (const auto& [name, value] : head_.headers) r.body += name + "=" + value + ";";
      if (head_.path == "/origin")
        r.body = head_.remote_address + (head_.is_secure ? " secure" : "") +
                 (head_.is_body_protected ? " protected" : "") + ".";
      if (head_.path == "/large") {
        r.body = std::string(64 << 20, 'x');
        all_.made.count_down();
      }
      return r;
    }

   private:
    static Response status(int code) {
      Response r;
      r.status = code;
      return r;
    }
    Handler& all_;
    const RequestHead head_;
    std::size_t received_ = 0;
  };
};

/// A client of the server. Whatever it waits for must come within a minute.
class Caller {
 public:
  explicit Caller(const HttpServer& server) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval longest{60, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0)
      throw std::runtime_error("no connection");
  }
  ~Caller() { hang_up(); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  void send(const std::string& text) {
    ASSERT_EQ(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  /// Sends a head with a Content-Length, and only as much of the body as is given.
  void post(const std::string& path, const std::string& headers = {}, std::size_t length = 2,
            const std::string& body = "hi") {
    send("POST " + path + " HTTP/1.1\r\nhost: x\r\n" + headers + "content-length: " + std::to_string(length) +
         "\r\n\r\n" + body);
  }
  /// Receives until the text contains `end`, or until the server closes the connection.
  std::string hear(const std::string& end) {
    std::string heard;
    while (heard.find(end) == std::string::npos) {
      char some[4096];
      const auto n = ::recv(socket_, some, sizeof(some), 0);
      if (n <= 0) break;
      heard.append(some, static_cast<std::size_t>(n));
    }
    return heard;
  }
  /// Returns all that comes until the server closes. Nothing can be sent afterwards.
  std::string hear_to_the_end() {
    ::shutdown(socket_, SHUT_WR);
    return hear("a text that no server sends");
  }
  /// Returns whether the server closes the connection without sending anything more.
  bool hears_the_end() {
    char some = 0;
    return ::recv(socket_, &some, 1, 0) == 0;
  }
  /// Sends single bytes, at most `most` of them, until an answer or the end comes. Returns whether one came.
  bool trickle(int most) {
    for (int i = 0; i < most; ++i) {
      pollfd look{socket_, POLLIN, 0};
      if (::poll(&look, 1, 2) > 0) return true;
      if (::send(socket_, "x", 1, MSG_NOSIGNAL) != 1) return true;
    }
    return false;
  }
  void hang_up() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
};

/// A folder with a new key and a certificate of its own, for as long as it lives.
class Certificate {
 public:
  Certificate() {
    std::string name = std::filesystem::temp_directory_path() / "vedette-server-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder");
    folder_ = name;
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    X509* own = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(own), 0);
    X509_gmtime_adj(X509_getm_notAfter(own), 24L * 60 * 60);
    X509_set_pubkey(own, pair);
    X509_sign(own, pair, EVP_sha256());
    std::FILE* file = std::fopen(certificate().c_str(), "w");
    EXPECT_EQ(PEM_write_X509(file, own), 1);
    std::fclose(file);
    file = std::fopen(key().c_str(), "w");
    EXPECT_EQ(PEM_write_PrivateKey(file, pair, nullptr, nullptr, 0, nullptr, nullptr), 1);
    std::fclose(file);
    X509_free(own);
    EVP_PKEY_free(pair);
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  std::string certificate() const { return folder_ / "certificate.pem"; }
  std::string key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

/// The number of answers' first lines.
std::size_t answers_in(const std::string& heard) {
  const std::regex line("HTTP/1\\.1 [0-9]{3}");
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(heard.begin(), heard.end(), line), std::sregex_iterator()));
}

constexpr std::chrono::hours kNever{24};

class Server : public testing::Test {
 protected:
  Server() { options_.port = 0; }
  HttpServer& start() {
    server_.emplace(handler_, options_);
    server_->start();
    return *server_;
  }
  /// Stops the server on another thread. Returns when the stop has begun, which an idle connection is the first to
  /// notice.
  std::future<void> begin_to_stop(Caller& idle) {
    auto stopped = std::async(std::launch::async, [this] { server_->stop([this] { ++cancelled_; }); });
    EXPECT_TRUE(idle.hears_the_end());
    return stopped;
  }
  ServerOptions options_;
  Handler handler_;
  std::optional<HttpServer> server_;
  std::atomic<int> cancelled_{0};
};

TEST_F(Server, ACallThatWaitsForAModelHearsThatItsCallerHungUpAndKeepsNobodyWaiting) {
  options_.request_threads = 1;
  options_.detection_threads = 1;
  start();
  Caller slow(*server_), quick(*server_);
  slow.post("/slow");
  handler_.began.wait();
  quick.post("/quick");
  EXPECT_NE(quick.hear("done").find("done"), std::string::npos);
  auto abandoned = handler_.abandoned.get_future();
  slow.hang_up();
  abandoned.wait();
}

TEST_F(Server, AnEarlyRefusalOfACallWithASmallBodyLeavesTheConnectionAsItWas) {
  start();
  Caller caller(*server_);
  caller.post("/refused");
  EXPECT_NE(caller.hear("\r\n\r\n").find("403"), std::string::npos);
  // A client that asks before it sends its body is told to continue, although the body is not wanted.
  caller.post("/refused", "expect: 100-continue\r\n", 2, "");
  EXPECT_EQ(caller.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  caller.send("hi");
  EXPECT_NE(caller.hear("\r\n\r\n").find("403"), std::string::npos);
  caller.send("POST /refused HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n");
  caller.send("3\r\n...\r\n0\r\n\r\n");
  EXPECT_NE(caller.hear("\r\n\r\n").find("403"), std::string::npos);
  caller.post("/quick");
  EXPECT_NE(caller.hear("done").find("done"), std::string::npos);
}

TEST_F(Server, AnEarlyRefusalOfACallWithALargeBodyEndsTheConnection) {
  start();
  Caller asks(*server_), chunked(*server_);
  asks.post("/refused", "expect: 100-continue\r\n", 100'000, "");
  const auto answer = asks.hear("\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403 ")) << answer;
  EXPECT_NE(answer.find("close"), std::string::npos);
  chunked.send("POST /refused HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n20000\r\n" +
               std::string(0x20000, 'x'));
  EXPECT_NE(chunked.hear("\r\n\r\n").find("close"), std::string::npos);
}

TEST_F(Server, ASplitHeaderIsNeverSent) {
  start();
  Caller caller(*server_);
  caller.post("/split");
  const auto answer = caller.hear("\r\n\r\n");
  EXPECT_NE(answer.find(" 500 "), std::string::npos) << answer;
  EXPECT_EQ(answer.find("set-cookie"), std::string::npos);
}

TEST_F(Server, ARepeatedHeaderIsReadAsItIsSignedAndARepeatedHostIsRefused) {
  start();
  Caller caller(*server_);
  caller.post("/echo", "x-amz-copy-source: /a/b\r\nx-amz-meta-a: 1\r\nx-amz-copy-source: c\r\n");
  EXPECT_NE(caller.hear("content-length=2;").find("x-amz-copy-source=/a/b,c;x-amz-meta-a=1;"), std::string::npos);
  caller.post("/echo", "host: y\r\n");
  EXPECT_NE(caller.hear("\r\n\r\n").find(" 400 "), std::string::npos);
}

TEST_F(Server, NothingBehindAHeadThatIsRefusedIsReadAsARequest) {
  start();
  const std::string hidden = "0\r\n\r\nGET /quick HTTP/1.1\r\nhost: x\r\n\r\n";
  for (const auto& [head, status] :
       {std::pair("HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n", "400"),
        std::pair("HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n", "400"),
        std::pair("HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n", "501"),
        std::pair("HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 0\r\n", "400"),
        std::pair("HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n", "400"),
        std::pair("HTTP/1.1\r\n", "400"), std::pair("HTTP/1.1\r\nhost: x y\r\n", "400")}) {
    Caller caller(*server_);
    caller.send("PUT /quick " + std::string(head) + "\r\n" + hidden);
    const auto heard = caller.hear_to_the_end();
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 " + std::string(status))) << head << heard;
    EXPECT_NE(heard.find("Connection: close"), std::string::npos) << heard;
    EXPECT_EQ(answers_in(heard), 1U) << head << heard;
  }
  EXPECT_FALSE(handler_.opened.try_acquire());
}

TEST_F(Server, ChunkExtensionsAndTrailersAreBounded) {
  start();
  const std::string head = "POST /known HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
  const std::string content = "2;a=\"b\"\r\nhi\r\n";
  const std::string hidden = "GET /quick HTTP/1.1\r\nhost: x\r\n\r\n";
  std::string extensions, trailers;
  for (int i = 0; i < 1000; ++i) extensions += "1;" + std::string(100, 'a') + "\r\nx\r\n";
  for (int i = 0; i < 100'000; ++i) trailers += "a: b\r\n";
  const std::string long_body = "2;" + std::string(2 << 20, 'a') + "\r\nhi\r\n0\r\n\r\n";
  for (const auto& body : {long_body, extensions + "0\r\n\r\n", content + "0\r\n" + trailers + "\r\n",
                           content + "0\r\n" + trailers.substr(0, 12'000) + "\r\n"}) {
    Caller caller(*server_);
    caller.send(head + body + hidden);
    const auto heard = caller.hear_to_the_end();
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 400")) << heard;
    EXPECT_NE(heard.find("Connection: close"), std::string::npos) << heard;
    EXPECT_TRUE(heard.ends_with("InvalidRequest")) << heard;
  }
  Caller fed(*server_);
  fed.send(head + "2;a=\"\n\"\r\nhi\r\n0\r\n\r\n" + hidden);
  const auto heard = fed.hear_to_the_end();
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 400")) << heard;
  EXPECT_EQ(answers_in(heard), 1U) << heard;
  // What clients really send is read, and the connection stays.
  Caller caller(*server_);
  caller.send(head + content + content + "0\r\nx-checksum: 1\r\n\r\n");
  EXPECT_NE(caller.hear("done with 4").find("done with 4"), std::string::npos);
  // Every body has all the room, whatever others on its connection took.
  for (int i = 0; i < 3; ++i) {
    caller.send(head + content + "0\r\n" + trailers.substr(0, 6000) + "\r\n");
    EXPECT_NE(caller.hear("done with 2").find("done with 2"), std::string::npos);
  }
}

TEST_F(Server, AHandshakeHasADeadline) {
  const Certificate files;
  options_.tls_certificate = files.certificate();
  options_.tls_key = files.key();
  options_.times.idle = options_.times.head = kNever;
  options_.times.handshake = std::chrono::milliseconds(50);
  start();
  Caller silent(*server_), one_byte(*server_);
  one_byte.send("\x16");
  EXPECT_TRUE(silent.hears_the_end());
  EXPECT_TRUE(one_byte.hears_the_end());
  // Bytes do not prolong it: this record says that it is 16 KiB long.
  Caller slow(*server_);
  slow.send(std::string("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9));
  EXPECT_TRUE(slow.trickle(5'000));
  EXPECT_EQ(slow.hear_to_the_end(), "");
  server_->stop();  // before the files go
}

TEST_F(Server, ATrustedProxySpeaksForItsClients) {
  const std::string headers =
      "x-forwarded-for: 127.0.0.9\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n";
  start();
  Caller stranger(*server_);
  stranger.post("/origin", headers);
  EXPECT_NE(stranger.hear("protected.").find("127.0.0.1 protected."), std::string::npos);
  options_.proxies = *TrustedProxies::parse({"127.0.0.1"});
  start();
  Caller proxy(*server_);
  proxy.post("/origin", headers);
  EXPECT_NE(proxy.hear("protected.").find("203.0.113.9 secure protected."), std::string::npos);
}

TEST_F(Server, SilentConnectionsShutNobodyOut) {
  options_.most_connections = 2;
  start();
  Caller working(*server_);
  working.post("/slow");
  handler_.began.wait();
  std::vector<std::unique_ptr<Caller>> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(std::make_unique<Caller>(*server_));
  Caller caller(*server_);
  caller.post("/quick");
  EXPECT_NE(caller.hear("done").find("done"), std::string::npos);
  EXPECT_TRUE(silent[0]->hears_the_end());
  auto abandoned = handler_.abandoned.get_future();
  working.hang_up();
  abandoned.wait();
}

TEST_F(Server, ABodyOfAStrangerMayNotTrickle) {
  options_.times.body_silence = kNever;
  options_.times.unverified_piece = options_.times.unverified_body = std::chrono::milliseconds(50);
  start();
  for (const std::size_t length : {10'000, 1'000'000}) {
    Caller caller(*server_);
    caller.post("/quick", "", length);
    EXPECT_TRUE(caller.trickle(5'000));
    EXPECT_NE(caller.hear("RequestTimeout").find("RequestTimeout"), std::string::npos) << length;
  }
}

TEST_F(Server, AVerifiedBodyKeepsALeastRate) {
  options_.times.unverified_body = kNever;
  // At the vast rate above, a piece may take hardly longer than this time.
  options_.times.body_silence = std::chrono::milliseconds(200);
  options_.times.least_body_rate = 1ULL << 40;
  start();
  Caller caller(*server_);
  caller.post("/known", "", 1'000'000);
  EXPECT_TRUE(caller.trickle(5'000));
  EXPECT_NE(caller.hear("RequestTimeout").find("RequestTimeout"), std::string::npos);
  // At a rate that the client keeps, the same body may take as long as it needs.
  options_.times.least_body_rate = 1;
  options_.times.body_silence = std::chrono::seconds(30);
  start();
  Caller slow(*server_);
  slow.post("/known", "", 1'000'000);
  EXPECT_FALSE(slow.trickle(400));
  slow.send(std::string(1'000'000 - 402, 'x'));
  EXPECT_NE(slow.hear("done with 1000000").find("done with 1000000"), std::string::npos);
}

TEST_F(Server, IsNotDelayedByIdleConnectionsWhenItStops) {
  options_.times.drain = kNever;
  start();
  Caller idle(*server_), silent(*server_);
  idle.post("/quick");
  EXPECT_NE(idle.hear("with 2").find("done"), std::string::npos);
  server_->stop();
  EXPECT_TRUE(idle.hears_the_end());
  EXPECT_TRUE(silent.hears_the_end());
}

TEST_F(Server, AnswersTheRequestsThatItHadBegunToReadWhenItStops) {
  options_.times.drain = kNever;
  start();
  Caller idle(*server_), piece(*server_), body(*server_);
  idle.post("/quick");
  EXPECT_NE(idle.hear("with 2").find("done"), std::string::npos);
  handler_.opened.acquire();
  piece.post("/quick", "", 4);
  body.post("/quick", "", 500'000);
  handler_.opened.acquire();
  handler_.opened.acquire();
  auto stopped = begin_to_stop(idle);
  piece.send("ho");
  body.send(std::string(500'000 - 2, 'x'));
  for (auto [caller, end] : {std::pair(&piece, "with 4"), std::pair(&body, "with 500000")}) {
    const auto answer = caller->hear(end);
    EXPECT_NE(answer.find(end), std::string::npos) << answer;
    EXPECT_NE(answer.find("onnection: close"), std::string::npos) << answer;
    EXPECT_TRUE(caller->hears_the_end());
  }
  stopped.get();
  EXPECT_EQ(cancelled_, 0);
}

TEST_F(Server, CutsOffAtTheDeadlineWhatDoesNotEndWhenItStops) {
  options_.times.drain = std::chrono::milliseconds(1);
  start();
  Caller idle(*server_), piece(*server_), body(*server_), slow(*server_), large(*server_);
  piece.post("/quick", "", 4);
  body.post("/known", "", 500'000);
  slow.post("/slow");
  large.post("/large");
  for (int i = 0; i < 4; ++i) handler_.opened.acquire();
  handler_.began.wait();
  handler_.made.wait();  // the caller does not read this answer
  auto abandoned = handler_.abandoned.get_future();
  begin_to_stop(idle).get();
  abandoned.wait();
  EXPECT_EQ(cancelled_, 1);
  EXPECT_TRUE(piece.hears_the_end());
  EXPECT_TRUE(body.hears_the_end());
}

}  // namespace
}  // namespace vedette
