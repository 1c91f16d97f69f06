#include "edge/agent/agent.hpp"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <list>
#include <optional>
#include <thread>

#include <edge-agent.grpc.pb.h>
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "edge/agent/call_threads.hpp"
#include "edge/agent/listening_socket.hpp"
#include "edge/agent/operations.hpp"

namespace vedette {
namespace {

using Clock = std::chrono::steady_clock;
using edge_agent::proto::EdgeAgent;

constexpr int kLargestMessage = 64 << 20;
constexpr int kStreamsPerConnection = 32;
constexpr int kReservedFiles = 128;  // files beside connections: segments, models, the journal
constexpr std::uint64_t kMostPemBytes = 1 << 20;
constexpr std::chrono::seconds kDrainLimit{5};
constexpr std::chrono::milliseconds kSweepInterval{1000};

Result<std::string> read_pem(const std::filesystem::path& path) {
  const auto bytes = read_file(path, kMostPemBytes);
  if (!bytes) return invalid_input(bytes.error().message);
  return std::string(as_text(*bytes));
}

Result<std::shared_ptr<grpc::ServerCredentials>> make_credentials(const AgentTls& files) {
  if (files.certificate.empty() || files.key.empty())
    return invalid_input("To listen on a TCP port, the agent needs a TLS certificate and its key.");
  const auto certificate = read_pem(files.certificate);
  if (!certificate) return certificate.error();
  const auto key = read_pem(files.key);
  if (!key) return key.error();
  grpc::SslServerCredentialsOptions options(files.client_ca.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_key_cert_pairs.push_back({*key, *certificate});
  if (!files.client_ca.empty()) {
    const auto roots = read_pem(files.client_ca);
    if (!roots) return roots.error();
    options.pem_root_certs = *roots;
  }
  return grpc::SslServerCredentials(options);
}

/// Runs an operation on a call thread and finishes its reactor. One exists per call, until the client has the answer.
class Call;

/// The calls that are under way.
class Calls {
 public:
  explicit Calls(const AgentOptions& options)
      : most_(static_cast<std::size_t>(options.most_calls)),
        most_bytes_(options.call_memory),
        answer_limit_(options.answer_limit) {}
  /// Returns false if there are too many, or if they would take too much memory with this one.
  bool add(Call& call);
  void remove(Call& call);
  /// Cuts off the calls whose client has not taken the answer in time.
  void sweep();
  std::atomic<std::uint64_t> refused{0}, cut_off{0}, detections{0};
  CallThreads threads;

 private:
  const std::size_t most_, most_bytes_;
  const std::chrono::seconds answer_limit_;
  Mutex mutex_;
  std::list<Call*> calls_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

class Call final : public grpc::ServerUnaryReactor {
 public:
  /// `bytes` says how much memory the call takes. `on_refused`, if given, is told before the client is.
  Call(Calls& calls, grpc::CallbackServerContext& context, std::size_t its_bytes,
       std::function<grpc::Status(const std::stop_token&)> work, const std::function<void(const Error&)>& on_refused)
      : bytes(its_bytes), calls_(calls), context_(context), work_(std::move(work)) {
    is_known_ = calls_.add(*this);
    if (!is_known_) {
      refuse(on_refused);
      return;
    }
    try {
      calls_.threads.run([this] { do_work(); });
    } catch (const std::exception& e) {
      log::error("no thread for a call", {{"reason", e.what()}});
      refuse(on_refused);
    }
  }
  void OnCancel() override { abandoned_.request_stop(); }
  void OnDone() override {
    if (is_known_) calls_.remove(*this);
    delete this;
  }
  [[nodiscard]] bool is_overdue(Clock::time_point now, std::chrono::seconds limit) const {
    const auto at = answered_at_.load();
    return at != 0 && now - Clock::time_point(Clock::duration(at)) > limit;
  }
  void cut_off() {
    answered_at_ = 0;
    context_.TryCancel();
  }
  const std::size_t bytes;

 private:
  void refuse(const std::function<void(const Error&)>& on_refused) {
    ++calls_.refused;
    const auto error = fail(ErrorKind::throttled, "The edge agent can't keep up with the calls.");
    try {
      if (on_refused) on_refused(error);
    } catch (const std::exception& e) {
      log::error("refused call", {{"reason", e.what()}});
    }
    Finish(edge_agent::to_status(error));
  }
  void do_work() {
    grpc::Status status;
    try {
      status = work_(abandoned_.get_token());
    } catch (const std::exception& e) {
      log::error("call", {{"reason", e.what()}});
      status = {grpc::StatusCode::INTERNAL, "The edge agent failed; its log says more."};
    }
    answered_at_ = Clock::now().time_since_epoch().count();
    Finish(status);  // After this the object may be gone.
  }

  Calls& calls_;
  grpc::CallbackServerContext& context_;
  const std::function<grpc::Status(const std::stop_token&)> work_;
  bool is_known_ = false;
  std::stop_source abandoned_;
  std::atomic<Clock::rep> answered_at_{0};
};

bool Calls::add(Call& call) {
  const MutexLock lock(mutex_);
  if (calls_.size() >= most_ || (!calls_.empty() && bytes_ + call.bytes > most_bytes_)) return false;
  calls_.push_back(&call);
  bytes_ += call.bytes;
  return true;
}

void Calls::remove(Call& call) {
  const MutexLock lock(mutex_);
  calls_.remove(&call);
  bytes_ -= call.bytes;
}

void Calls::sweep() {
  const auto now = Clock::now();
  // While the lock is held, no call can end. gRPC ends calls on its own threads, never within TryCancel().
  const MutexLock lock(mutex_);
  for (auto* call : calls_) {
    if (!call->is_overdue(now, answer_limit_)) continue;
    ++cut_off;
    call->cut_off();
  }
}

/// DetectAnomalies is given its request and gives its answer as bytes, of which protobuf would copy the pixels.
using ServiceBase = EdgeAgent::WithRawCallbackMethod_DetectAnomalies<
    EdgeAgent::WithCallbackMethod_StartModel<EdgeAgent::WithCallbackMethod_StopModel<
        EdgeAgent::WithCallbackMethod_ListModels<EdgeAgent::WithCallbackMethod_DescribeModel<EdgeAgent::Service>>>>>;

class Service final : public ServiceBase {
 public:
  Service(Components& components, std::function<void(const AgentCall&)> observe, Calls& calls)
      : components_(components), observe_(std::move(observe)), calls_(calls) {}

  grpc::ServerUnaryReactor* DetectAnomalies(grpc::CallbackServerContext* context, const grpc::ByteBuffer* message,
                                            grpc::ByteBuffer* answer_message) override {
    ++calls_.detections;
    auto parsed = edge_agent::parse_detect_request(*message);
    if (!parsed)
      return answer(context, [error = parsed.error()](const std::stop_token&) { return edge_agent::to_status(error); });
    const auto request = std::make_shared<const edge_agent::DetectRequest>(std::move(*parsed));
    const auto work = [this, request, answer_message](const std::stop_token& abandoned) {
      return edge_agent::detect_anomalies(components_, observe_, *request, *answer_message, abandoned);
    };
    const auto on_refused = [&](const Error& error) { edge_agent::observe_refused(observe_, request->message, error); };
    return answer(context, work, edge_agent::memory_of(*request), on_refused);
  }
  grpc::ServerUnaryReactor* StartModel(grpc::CallbackServerContext* context,
                                       const edge_agent::proto::StartModelRequest* request,
                                       edge_agent::proto::StartModelResponse* response) override {
    return answer(context, [this, request, response](const std::stop_token&) {
      return edge_agent::start_model(components_, *request, *response);
    });
  }
  grpc::ServerUnaryReactor* StopModel(grpc::CallbackServerContext* context,
                                      const edge_agent::proto::StopModelRequest* request,
                                      edge_agent::proto::StopModelResponse* response) override {
    return answer(context, [this, request, response](const std::stop_token&) {
      return edge_agent::stop_model(components_, *request, *response);
    });
  }
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const edge_agent::proto::ListModelsRequest*,
                                       edge_agent::proto::ListModelsResponse* response) override {
    return answer(context,
                  [this, response](const std::stop_token&) { return edge_agent::list_models(components_, *response); });
  }
  grpc::ServerUnaryReactor* DescribeModel(grpc::CallbackServerContext* context,
                                          const edge_agent::proto::DescribeModelRequest* request,
                                          edge_agent::proto::DescribeModelResponse* response) override {
    return answer(context, [this, request, response](const std::stop_token&) {
      return edge_agent::describe_model(components_, *request, *response);
    });
  }

 private:
  grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context,
                                   std::function<grpc::Status(const std::stop_token&)> work, std::size_t bytes = 0,
                                   const std::function<void(const Error&)>& on_refused = {}) {
    return new Call(calls_, *context, bytes, std::move(work), on_refused);  // It deletes itself in OnDone().
  }
  Components& components_;
  const std::function<void(const AgentCall&)> observe_;
  Calls& calls_;
};

/// A listening socket and where its connections go.
struct Door {
  ListeningSocket socket;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
};

}  // namespace

struct Agent::State {
  State(Components& components, const AgentOptions& given, std::function<void(const AgentCall&)> observe)
      : options(given), calls(given), service(components, std::move(observe), calls) {}
  ~State() {
    if (wake >= 0) ::close(wake);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const AgentOptions options;
  Calls calls;
  Service service;
  std::vector<Door> doors;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
  int wake = ::eventfd(0, EFD_CLOEXEC);
  std::atomic<std::uint64_t> connections{0}, turned_away{0};
  std::thread accepting;

  void open_door(grpc::ServerBuilder& builder, ListeningSocket socket,
                 const std::shared_ptr<grpc::ServerCredentials>& credentials) {
    auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
    doors.push_back({std::move(socket), std::move(acceptor)});
  }
  /// Takes one connection. Returns false if there is none.
  bool accept_one(Door& door) {
    const int file = ::accept4(door.socket.file(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (file < 0) return errno == EINTR || errno == ECONNABORTED;
    // The system gives out the lowest number that is free, so a high one means that so many files are open.
    if (file >= options.most_connections + kReservedFiles) {
      ++turned_away;
      ::close(file);
      return true;
    }
    ++connections;
    const int yes = 1;
    if (door.socket.port() != 0) ::setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = door.socket.file();
    connection.fd = file;
    door.acceptor->HandleNewConnection(&connection);
    return true;
  }
  void accept_connections() {
    auto next_sweep = Clock::now() + kSweepInterval;
    std::vector<pollfd> files = {{wake, POLLIN, 0}};
    for (const auto& door : doors) files.push_back({door.socket.file(), POLLIN, 0});
    while (true) {
      ::poll(files.data(), files.size(), static_cast<int>(kSweepInterval.count()));
      if (files[0].revents != 0) return;
      bool is_short_of_files = false;
      for (std::size_t i = 0; i < doors.size(); ++i) {
        if (files[i + 1].revents == 0) continue;
        errno = 0;
        while (accept_one(doors[i])) errno = 0;
        is_short_of_files = is_short_of_files || (errno != 0 && errno != EAGAIN);
      }
      // The connection that cannot be taken stays in the queue; asking again at once would only use a core.
      if (is_short_of_files) ::poll(files.data(), 1, 100);
      if (Clock::now() < next_sweep) continue;
      calls.sweep();
      next_sweep = Clock::now() + kSweepInterval;
    }
  }
};

Result<std::unique_ptr<Agent>> Agent::start(Components& components, AgentOptions options,
                                            std::function<void(const AgentCall&)> observe) {
  auto state = std::make_unique<State>(components, options, std::move(observe));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  if (!options.socket.empty()) {
    auto socket = ListeningSocket::at_path(options.socket, options.socket_group);
    if (!socket) return socket.error();
    state->open_door(builder, std::move(*socket), grpc::InsecureServerCredentials());
  }
  if (!options.listen.empty()) {
    auto credentials = make_credentials(options.tls);
    if (!credentials) return credentials.error();
    auto socket = ListeningSocket::at_address(options.listen);
    if (!socket) return socket.error();
    state->port = socket->port();
    state->open_door(builder, std::move(*socket), *credentials);
  }
  builder.RegisterService(&state->service);
  builder.SetMaxReceiveMessageSize(kLargestMessage);
  builder.SetMaxSendMessageSize(kLargestMessage);
  grpc::ResourceQuota quota("vedette-edge");
  quota.Resize(options.message_memory);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  // Clients that are gone without a word, as behind a network that fails, are found by pings.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  state->server = builder.BuildAndStart();
  if (!state->server) return internal_error("gRPC could not be started.");
  state->accepting = std::thread([s = state.get()] { s->accept_connections(); });
  return std::unique_ptr<Agent>(new Agent(std::move(state)));
}

Agent::Agent(std::unique_ptr<State> state) : state_(std::move(state)) {}

Agent::~Agent() {
  const std::uint64_t one = 1;
  while (::write(state_->wake, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  state_->accepting.join();
  state_->server->Shutdown(std::chrono::system_clock::now() + kDrainLimit);
  state_->server->Wait();
}

int Agent::port() const {
  return state_->port;
}

Agent::Counts Agent::counts() const {
  return {state_->calls.detections, state_->calls.refused, state_->calls.cut_off, state_->connections,
          state_->turned_away};
}

}  // namespace vedette
