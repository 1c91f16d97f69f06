#include <gtest/gtest.h>

#include "http/connection_table.hpp"
#include "http/open_paths.hpp"
#include "http/peer_address.hpp"
#include "http/rate_limiter.hpp"
#include "http/response_headers.hpp"
#include "http/trusted_proxies.hpp"

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

TEST(RateLimiter, AdmitsItsPartOfWhatSeveralNodesShare) {
  std::size_t nodes = 4;
  RateLimiter rate(8, 1, [&] { return nodes; }), failures(1, 30, [&] { return nodes; });
  auto now = std::chrono::steady_clock::time_point{};
  const auto admitted = [&](RateLimiter& limiter) {
    int count = 0;
    while (limiter.admit("a", now)) ++count;
    return count;
  };
  EXPECT_EQ(admitted(rate), 2);
  EXPECT_EQ(admitted(failures), 7) << "the burst is shared, too";
  now += std::chrono::seconds(9);
  EXPECT_EQ(admitted(rate), 2);
  EXPECT_EQ(admitted(failures), 2);
  nodes = 1;  // the others died, and this one gets their part
  now += std::chrono::seconds(10);
  EXPECT_EQ(admitted(rate), 8);
  EXPECT_EQ(admitted(failures), 10);
  nodes = 0;  // nobody knows
  now += std::chrono::seconds(10);
  EXPECT_EQ(admitted(rate), 8);
  // However many they are, each lets one through now and then.
  nodes = 100;
  now += std::chrono::seconds(1000);
  EXPECT_EQ(admitted(failures), 1);
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

Origin origin(const std::vector<std::string>& trusted, const std::string& peer, const HeaderList& headers,
              bool is_tls = false) {
  const auto proxies = TrustedProxies::parse(trusted);
  EXPECT_TRUE(proxies);
  return proxies->origin_of(peer, is_tls, headers);
}

TEST(TrustedProxies, AreNamedByAddressOrBlock) {
  const auto proxies =
      TrustedProxies::parse({"10.1.0.0/16", "192.0.2.7", "2001:db8:1::/48", "::1", "::ffff:172.16.0.0/108"});
  ASSERT_TRUE(proxies);
  for (const char* in : {"10.1.255.3", "192.0.2.7", "2001:db8:1:ffff::9", "::1", "172.31.0.1"})
    EXPECT_TRUE(proxies->contains(in)) << in;
  for (const char* out : {"10.2.0.1", "192.0.2.8", "2001:db8:2::9", "::2", "172.32.0.1", "", "10.1", "unix:"})
    EXPECT_FALSE(proxies->contains(out)) << out;
  const auto all_of_ipv6 = TrustedProxies::parse({"::/0"});
  EXPECT_TRUE(all_of_ipv6->contains("2001:db8::1"));
  EXPECT_FALSE(all_of_ipv6->contains("10.0.0.1"));
  EXPECT_FALSE(TrustedProxies().contains("127.0.0.1"));
  for (const char* bad : {"", "proxy.example", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "::1/129",
                          "10.0.0.1:80", "[::1]", " 10.0.0.1", "10.0.0.0/0x8"}) {
    const auto refused = TrustedProxies::parse({"10.0.0.1", bad});
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().message.find(std::string("\"") + bad + "\""), std::string::npos);
  }
}

TEST(TrustedProxies, NobodyElseSpeaksForAnotherAddress) {
  const HeaderList forged = {{"x-forwarded-for", "127.0.0.1"}, {"x-forwarded-proto", "https"}};
  const auto stranger = origin({"10.0.0.1"}, "10.0.0.2", forged);
  EXPECT_EQ(stranger.address, "10.0.0.2");
  EXPECT_FALSE(stranger.is_secure || stranger.is_body_protected);
  const auto with_tls = origin({}, "10.0.0.2", {{"x-forwarded-proto", "http"}}, true);
  EXPECT_TRUE(with_tls.is_secure && with_tls.is_body_protected);
  const auto local = origin({}, "127.0.0.1", forged);
  EXPECT_TRUE(local.is_body_protected);  // a request from this machine is protected, whatever its headers say
  EXPECT_FALSE(local.is_secure);
}

TEST(TrustedProxies, TheRightmostAddressThatIsNoProxyIsTheClients) {
  const auto address = [](const std::string& forwarded) {
    return origin({"10.0.0.0/8", "::1"}, "10.0.0.1", {{"x-forwarded-for", forwarded}}).address;
  };
  EXPECT_EQ(address("203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(address("127.0.0.1, 203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(address("127.0.0.1,203.0.113.9 , 10.2.2.2,::1"), "203.0.113.9");
  EXPECT_EQ(address("10.9.9.9"), "10.9.9.9");  // the client is on the same network as the proxies
  EXPECT_EQ(address(""), "10.0.0.1");
  // Addresses may be spelled in these ways.
  EXPECT_EQ(address("203.0.113.9:51000"), "203.0.113.9");
  EXPECT_EQ(address("2001:DB8::0:5"), "2001:db8::5");
  EXPECT_EQ(address("[2001:db8::5]"), "2001:db8::5");
  EXPECT_EQ(address("[2001:db8::5]:443"), "2001:db8::5");
  EXPECT_EQ(address("::ffff:203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(address("fe80::1%eth0"), "fe80::1");
  EXPECT_EQ(address("203.0.113.9, ::ffff:10.0.0.7"), "203.0.113.9");
  // An entry that is not an address ends the reading, because the entries to its left may be invented.
  for (const char* junk : {"unknown", "_hidden", "203.0.113.9.1", "[203.0.113.9]", "[2001:db8::5", "[2001:db8::5]x",
                           "0xcb.0.113.9", "203.0.113.9 10.0.0.1", "\"203.0.113.9\"", ","})
    EXPECT_EQ(address(std::string("198.51.100.1, ") + junk + ", 10.3.3.3"), "10.3.3.3") << junk;
  EXPECT_EQ(address("198.51.100.1," + std::string(20'000, '7')), "10.0.0.1");
}

TEST(TrustedProxies, ALongListIsNotReadToItsEnd) {
  std::string proxies = "203.0.113.9", clients;
  for (int i = 0; i < 10'000; ++i) {
    proxies += ",10.0.0.2";
    clients += "198.51.100.1,";
  }
  EXPECT_EQ(origin({"10.0.0.0/8"}, "10.0.0.1", {{"x-forwarded-for", proxies}}).address, "10.0.0.2");
  EXPECT_EQ(origin({"10.0.0.0/8"}, "10.0.0.1", {{"x-forwarded-for", clients + "203.0.113.9"}}).address, "203.0.113.9");
}

TEST(TrustedProxies, SayWhetherTheirClientSpeaksTls) {
  const auto from = [](const std::string& scheme, bool is_tls = false, const std::string& client = "203.0.113.9") {
    HeaderList headers = {{"x-forwarded-for", client}};
    if (!scheme.empty()) headers.emplace_back("x-forwarded-proto", scheme);
    return origin({"10.0.0.1"}, "10.0.0.1", headers, is_tls);
  };
  EXPECT_TRUE(from("https").is_secure && from("https").is_body_protected);
  EXPECT_TRUE(from("HTTPS").is_secure);
  for (const char* scheme : {"http", "https,http", "http, https", "https,", "junk", "httpss", ","}) {
    EXPECT_FALSE(from(scheme, true).is_secure) << scheme;
    EXPECT_FALSE(from(scheme, true).is_body_protected) << scheme;
  }
  EXPECT_TRUE(from("https,https").is_secure);
  // If a proxy sends no header about its client, its own connection counts.
  EXPECT_FALSE(from("").is_secure);
  EXPECT_TRUE(from("").is_body_protected && from("", true).is_secure);
  EXPECT_TRUE(from("http", false, "127.0.0.1").is_body_protected);
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
  EXPECT_EQ(closed_, std::vector<int>{1});  // the network's own oldest connection is closed, not the oldest of all
  b->work();
  c->work();
  EXPECT_FALSE(table.enter("2001:db8::4", at(4), note(4)));
  auto d = table.enter("127.0.0.1", at(5), note(5)), e = table.enter("127.0.0.1", at(5), note(6)),
       f = table.enter("127.0.0.1", at(5), note(7));
  EXPECT_TRUE(d && e && f);
}

TEST_F(Table, WhoeverSpeaksForManyHasNoShare) {
  ConnectionTable table(10, 1);
  auto a = table.enter("", at(1), note(1)), b = table.enter("", at(2), note(2));
  EXPECT_TRUE(a && b && closed_.empty());
}

TEST_F(Table, AtTheEndIdleOnesCloseFirstAndThenAll) {
  ConnectionTable table(10, 0);
  auto idle = table.enter("10.0.0.1", at(1), note(1)), reads = table.enter("10.0.0.2", at(2), note(2)),
       works = table.enter("10.0.0.3", at(3), note(3));
  reads->wait(at(4));
  works->work();
  table.close_idle();
  EXPECT_EQ(closed_, std::vector<int>{1});
  table.close_all();
  EXPECT_EQ(closed_, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(table.size(), 0U);
}

TEST(OpenPaths, MetricsAreShownToWhomTheyAreMeantFor) {
  const auto status = [](const MetricsAccess& access, const char* address, const std::string& authorization = {}) {
    const OpenPaths paths(
        {}, "1", [] { return "metrics"; }, access, [] { return std::optional<std::string>(); }, {});
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

}  // namespace
}  // namespace vedette
