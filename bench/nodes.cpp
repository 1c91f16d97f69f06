// This benchmark measures what it costs that a node passes a call on. Two nodes run in this process, on loopback: both
// have the sockets, the pipeline and the audit log of the server, and an operation that answers a picture at once, so
// that nothing but the way of the call is measured. A client with a kept connection calls the node that answers, and
// the node that passes on, in turns, so that the machine's moods hit both. Each line is one size of pictures; `copy_ms`
// is the time that one copy of such a picture takes.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "base/files.hpp"
#include "http/pipeline.hpp"
#include "http/relay.hpp"
#include "http/server.hpp"
#include "http_client/http_client.hpp"

namespace {

using namespace vedette;
using Clock = std::chrono::steady_clock;

const ClientCredentials kKeys{"AKIAMEASURED", "measured-secret", {}, {}};
constexpr std::size_t kAnswerBytes = 20'000;  // as an answer with a mask may have

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

class OneCaller : public Authenticator {
 public:
  Result<Authenticated> authenticate(const Credential& credential) override {
    return Authenticated{{"123456789012", "line7", credential.access_key_id, nullptr}, kKeys.secret_access_key};
  }
};

/// A service with one operation, which passes the call on if there is a relay.
class Detecting : public WireService {
 public:
  explicit Detecting(Relay* relay) : relay_(relay) {}
  [[nodiscard]] std::string_view signing_name() const override { return "lookoutvision"; }
  [[nodiscard]] bool waits_for_model(const RequestHead&) const override { return true; }
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity&) override {
    return std::unique_ptr<PendingCall>(std::make_unique<Call>(head, relay_));
  }
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead&, const std::string&) const override {
    Response response;
    response.status = 500;
    response.body = error.message;
    return response;
  }

 private:
  class Call : public PendingCall {
   public:
    Call(const RequestHead& head, Relay* relay) : head_(head), relay_(relay) {
      operation = "DetectAnomalies";
      body_limit = 8 << 20;
    }
    Result<Response> run(std::string_view body, AuditEvent& audit) override {
      if (relay_ != nullptr) return relay_->pass_on(head_, body, std::vector<std::string>{"answers"});
      audit.name = operation;
      Response response;
      response.body = std::string(kAnswerBytes, 'x');
      return response;
    }

   private:
    const RequestHead& head_;
    Relay* const relay_;
  };
  Relay* const relay_;
};

class Node {
 public:
  Node(const std::filesystem::path& folder, Relay& keys, Relay* relay)
      : service_(relay),
        audit_(folder, clock_, 1),
        pipeline_(authenticator_, clock_, {&service_}, open_paths_, audit_, {}, &keys),
        server_(pipeline_, options()) {
    server_.start();
  }
  ~Node() { server_.stop({}); }
  [[nodiscard]] std::string address() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }

 private:
  static ServerOptions options() {
    ServerOptions options;
    options.port = 0;
    return options;
  }
  SystemClock clock_;
  OneCaller authenticator_;
  Detecting service_;
  OpenPaths open_paths_{std::vector<OpenRoute>()};
  AuditLog audit_;
  Pipeline pipeline_;
  HttpServer server_;
};

struct Times {
  std::vector<double> ms;
  [[nodiscard]] double at(double share) {
    std::ranges::sort(ms);
    return ms[std::min(ms.size() - 1, static_cast<std::size_t>(share * static_cast<double>(ms.size())))];
  }
};

double copy_ms(const std::string& picture) {
  Times times;
  std::string copy(picture.size(), 0);
  for (int i = 0; i < 51; ++i) {
    const auto start = Clock::now();
    std::memcpy(copy.data(), picture.data(), picture.size());
    times.ms.push_back(ms_since(start));
  }
  return copy == picture ? times.at(0.5) : -1;
}

void measure(const std::string& answering, const std::string& passing, std::size_t bytes, int calls) {
  const std::string picture(bytes, 'p');
  ServiceClient direct({answering, "us-east-1", kKeys, {}}), passed({passing, "us-east-1", kKeys, {}});
  const auto call = [&](ServiceClient& client) {
    const auto start = Clock::now();
    const auto answer = client.send({.service = "lookoutvision",
                                     .method = "POST",
                                     .path = "/2020-11-20/projects/p/models/1/detect",
                                     .query = {},
                                     .headers = {{"content-type", "image/jpeg"}},
                                     .body = picture});
    const double ms = ms_since(start);
    if (!answer) throw std::runtime_error(answer.error().message);
    if (answer->status != 200 || answer->body.size() != kAnswerBytes)
      throw std::runtime_error("a call failed: " + answer->body.substr(0, 200));
    return ms;
  };
  Times at_direct, at_passed, difference;
  for (int i = 0; i < calls + 10; ++i) {
    const double a = call(direct), b = call(passed);
    if (i < 10) continue;  // the connections are being made
    at_direct.ms.push_back(a);
    at_passed.ms.push_back(b);
    difference.ms.push_back(b - a);
  }
  const nlohmann::json line = {{"picture_bytes", bytes},
                               {"calls", calls},
                               {"copy_ms", copy_ms(picture)},
                               {"direct_p50_ms", at_direct.at(0.5)},
                               {"direct_p99_ms", at_direct.at(0.99)},
                               {"passed_on_p50_ms", at_passed.at(0.5)},
                               {"passed_on_p99_ms", at_passed.at(0.99)},
                               {"ratio_p50", at_passed.at(0.5) / at_direct.at(0.5)},
                               {"difference_p50_ms", difference.at(0.5)}};
  std::puts(line.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures what it costs that a node passes a call on.");
  int calls = 300;
  app.add_option("--calls", calls, "calls of each kind and size")->check(CLI::Range(10, 1'000'000));
  CLI11_PARSE(app, argc, argv);
  try {
    const TemporaryFolder folder;
    std::vector<Peer> peers;
    Relay relay({}, Sha256{7}, [&] { return peers; });
    const Node answering(folder.path() / "one", relay, nullptr);
    peers = {{"answers", answering.address()}};
    const Node passing(folder.path() / "two", relay, &relay);
    for (const std::size_t bytes : {200'000, 5'000'000}) measure(answering.address(), passing.address(), bytes, calls);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
