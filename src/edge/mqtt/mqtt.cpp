#include "edge/mqtt/mqtt.hpp"

#include <fmt/format.h>
#include <mosquitto.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>

#include "base/digest.hpp"
#include "base/random.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

constexpr int kKeepAliveSeconds = 20;
constexpr milliseconds kConnectTime{10'000};
/// How long a delivery waits for the connection.
constexpr milliseconds kReadyTime{3'000};
constexpr milliseconds kAcknowledgeTime{20'000};
constexpr milliseconds kFirstWait{200};
constexpr milliseconds kLongestWait{5'000};
constexpr int kLoopMilliseconds = 200;
constexpr int kRefusedSubscription = 0x80;  // MQTT 3.1.1, section 3.9.3

std::string text_of(int code) {
  return code == MOSQ_ERR_ERRNO ? std::generic_category().message(errno) : mosquitto_strerror(code);
}

/// Only this thread writes to the socket; a broker that is gone must not end the process.
void block_broken_pipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

MqttAddress read_mqtt_address(Settings& settings, const std::string& client_id) {
  MqttAddress address;
  address.host = settings.text("host", true, 255);
  address.client_id = settings.text("client_id", false, 128);
  if (address.client_id.empty()) address.client_id = client_id;
  address.username = settings.text("username");
  address.password = settings.secret("password_file");
  if (!address.password.empty() && address.username.empty())
    settings.complain("username", "is missing beside password_file");
  if (const auto* object = settings.object("tls"); object != nullptr) {
    address.tls = true;
    Settings tls(*object, "tls of " + settings.where());
    address.ca_file = tls.text("ca_file", false, 4096);
    address.certificate_file = tls.text("certificate_file", false, 4096);
    address.key_file = tls.text("key_file", false, 4096);
    if (address.certificate_file.empty() != address.key_file.empty())
      tls.complain("key_file", "and certificate_file belong together");
    if (const auto finished = tls.finish(); !finished)
      settings.complain("tls", "is wrong. " + finished.error().message);
  }
  address.port = static_cast<int>(settings.number("port", 1, 65535, address.tls ? 8883 : 1883));
  return address;
}

MqttConnection::MqttConnection(MqttAddress address, Events events)
    : address_(std::move(address)), events_(std::move(events)) {
  static const auto ready = mosquitto_lib_init();
  if (ready != MOSQ_ERR_SUCCESS) throw std::runtime_error("libmosquitto cannot be used");
  thread_ = std::thread([this] { run(); });
}

MqttConnection::~MqttConnection() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void MqttConnection::run() {
  block_broken_pipe();
  Random random([] {
    std::uint64_t seed = 0;
    for (const auto byte : random_bytes(sizeof seed)) seed = seed << 8 | byte;
    return seed;
  }());
  for (auto pause = kFirstWait;; pause = std::min(2 * pause, kLongestWait)) {
    const auto begin = std::chrono::steady_clock::now();
    serve();
    if (std::chrono::steady_clock::now() - begin > kConnectTime) pause = kFirstWait;  // It was connected, or took long.
    const auto half = static_cast<double>(pause.count()) / 2;
    const auto jittered = milliseconds(static_cast<std::int64_t>(half + random.uniform() * half));
    MutexLock lock(mutex_);
    changed_.wait_for(lock.standard(), jittered, [this]() REQUIRES(mutex_) { return ending_; });
    if (ending_) return;
  }
}

MqttConnection::Session MqttConnection::open_session() {
  Session session(mosquitto_new(address_.client_id.c_str(), true, this), mosquitto_destroy);
  if (!session) throw std::runtime_error("libmosquitto has no memory");
  auto* raw = session.get();
  mosquitto_threaded_set(raw, true);
  mosquitto_connect_callback_set(
      raw, [](mosquitto* m, void* object, int code) { static_cast<MqttConnection*>(object)->on_connected(m, code); });
  mosquitto_publish_callback_set(
      raw, [](mosquitto*, void* object, int id) { static_cast<MqttConnection*>(object)->on_acknowledged(id); });
  mosquitto_subscribe_callback_set(raw, [](mosquitto*, void* object, int id, int count, const int* granted) {
    static_cast<MqttConnection*>(object)->on_subscribed(id, count > 0 && granted[0] == kRefusedSubscription);
  });
  mosquitto_message_callback_set(raw, [](mosquitto*, void* object, const mosquitto_message* message) {
    const std::string_view payload(static_cast<const char*>(message->payload),
                                   static_cast<std::size_t>(message->payloadlen));
    static_cast<MqttConnection*>(object)->events_.received({message->topic, payload, message->retain});
  });
  if (!address_.username.empty()) {
    const auto* password = address_.password.empty() ? nullptr : address_.password.c_str();
    mosquitto_username_pw_set(raw, address_.username.c_str(), password);
  }
  if (address_.tls) {
    const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    const auto* system = address_.ca_file.empty() ? "/etc/ssl/certs" : nullptr;
    const auto code = mosquitto_tls_set(raw, or_null(address_.ca_file), system, or_null(address_.certificate_file),
                                        or_null(address_.key_file), nullptr);
    if (code != MOSQ_ERR_SUCCESS) return end_session("TLS: " + text_of(code)), nullptr;
  }
  if (events_.will) {
    const auto will = events_.will();
    mosquitto_will_set(raw, will.topic.c_str(), static_cast<int>(will.payload.size()), will.payload.data(), will.qos,
                       will.retain);
  }
  const auto code = mosquitto_connect_async(raw, address_.host.c_str(), address_.port, kKeepAliveSeconds);
  if (code != MOSQ_ERR_SUCCESS) return end_session(text_of(code)), nullptr;
  return session;
}

void MqttConnection::serve() {
  opening_ = open_session();
  const auto session = opening_;
  const auto begin = std::chrono::steady_clock::now();
  std::string problem;
  while (session && problem.empty()) {
    const auto code = mosquitto_loop(session.get(), kLoopMilliseconds, 1);
    const MutexLock lock(mutex_);
    if (code != MOSQ_ERR_SUCCESS)
      problem = text_of(code);
    else if (ending_ || dropped_)
      problem = "the connection was given up";
    else if (session_ == nullptr && std::chrono::steady_clock::now() - begin > kConnectTime)
      problem = "the broker does not answer";
  }
  if (session) end_session(problem);
}

void MqttConnection::end_session(const std::string& problem) {
  opening_.reset();
  const MutexLock lock(mutex_);
  session_.reset();
  subscribing_.clear();
  ready_ = dropped_ = false;
  problem_ = refusal_.empty() ? problem : refusal_;
  refusal_.clear();
  changed_.notify_all();
}

void MqttConnection::on_connected(mosquitto* session, int code) {
  {
    const MutexLock lock(mutex_);
    if (code != 0) {
      refusal_ = mosquitto_connack_string(code);
      dropped_ = true;
      return;
    }
    session_ = opening_;
    for (const auto& topic : events_.subscriptions) {
      int id = 0;
      mosquitto_subscribe(session, &id, topic.c_str(), events_.subscription_qos);
      subscribing_.insert(id);
    }
  }
  if (events_.connected()) set_ready();
}

void MqttConnection::on_subscribed(int message_id, bool is_refused) {
  {
    const MutexLock lock(mutex_);
    if (subscribing_.erase(message_id) > 0 && is_refused) {
      refusal_ = "the broker refuses the subscription";
      dropped_ = true;
    }
  }
  on_acknowledged(message_id);
}

void MqttConnection::on_acknowledged(int message_id) {
  const MutexLock lock(mutex_);
  if (!delivering_) return;
  acknowledged_.insert(message_id);
  changed_.notify_all();
}

void MqttConnection::publish(const MqttMessage& message) {
  Session session;
  {
    const MutexLock lock(mutex_);
    session = session_;
  }
  if (session)
    mosquitto_publish(session.get(), nullptr, message.topic.c_str(), static_cast<int>(message.payload.size()),
                      message.payload.data(), message.qos, message.retain);
}

Result<void> MqttConnection::deliver(const std::function<void(const Send&)>& work, const std::string& fence) {
  Session session;
  {
    MutexLock lock(mutex_);
    changed_.wait_for(lock.standard(), kReadyTime,
                      [this]() REQUIRES(mutex_) { return cancelled_ || (session_ && ready_); });
    if (cancelled_) return fail(ErrorKind::unavailable, "The agent ends.");
    if (!session_ || !ready_)
      return fail(ErrorKind::unavailable,
                  fmt::format("There is no connection to the broker {}:{}: {}.", address_.host, address_.port,
                              session_ ? "the host application is offline" : problem_));
    session = session_;
    delivering_ = true;
    acknowledged_.clear();
  }
  std::vector<int> expected;
  int code = MOSQ_ERR_SUCCESS;
  work([&](const MqttMessage& message) {
    if (code != MOSQ_ERR_SUCCESS) return;
    int id = 0;
    code = mosquitto_publish(session.get(), &id, message.topic.c_str(), static_cast<int>(message.payload.size()),
                             message.payload.data(), message.qos, message.retain);
    if (message.qos > 0) expected.push_back(id);
  });
  if (code == MOSQ_ERR_SUCCESS && !fence.empty()) {
    int id = 0;
    code = mosquitto_subscribe(session.get(), &id, fence.c_str(), 1);
    expected.push_back(id);
  }
  MutexLock lock(mutex_);
  const auto all_acknowledged = [&]() REQUIRES(mutex_) {
    return std::ranges::all_of(expected, [&](int id) REQUIRES(mutex_) { return acknowledged_.contains(id); });
  };
  // The time begins anew with each acknowledgement.
  while (code == MOSQ_ERR_SUCCESS && session_ == session && !cancelled_ && !all_acknowledged()) {
    const auto before = acknowledged_.size();
    const bool moved = changed_.wait_for(lock.standard(), kAcknowledgeTime, [&]() REQUIRES(mutex_) {
      return cancelled_ || session_ != session || acknowledged_.size() != before;
    });
    if (!moved) break;
  }
  const bool done = code == MOSQ_ERR_SUCCESS && all_acknowledged();
  delivering_ = false;
  acknowledged_.clear();
  if (done) return {};
  // What libmosquitto still holds must not be sent later than what comes next.
  if (session_ == session) dropped_ = true;
  if (cancelled_) return fail(ErrorKind::unavailable, "The agent ends.");
  return fail(ErrorKind::unavailable, code == MOSQ_ERR_SUCCESS ? "The broker has not acknowledged the records."
                                                               : "The broker takes no message: " + text_of(code) + ".");
}

std::string MqttConnection::problem() const {
  const MutexLock lock(mutex_);
  return session_ && subscribing_.empty() ? "" : problem_;
}

void MqttConnection::set_ready() {
  const MutexLock lock(mutex_);
  ready_ = true;
  changed_.notify_all();
}

void MqttConnection::drop() {
  const MutexLock lock(mutex_);
  dropped_ = true;
}

void MqttConnection::cancel() {
  const MutexLock lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

}  // namespace vedette
