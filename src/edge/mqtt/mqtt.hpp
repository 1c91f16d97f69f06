#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/result.hpp"
#include "edge/settings/settings.hpp"

struct mosquitto;

namespace vedette {

struct MqttMessage {
  std::string topic;
  std::string payload;
  int qos = 1;
  bool retain = false;
};

struct MqttAddress {
  std::string host;
  int port = 1883;
  std::string client_id;
  std::string username;  ///< empty: none
  std::string password;
  bool tls = false;
  std::string ca_file;           ///< empty: the authorities that the system trusts
  std::string certificate_file;  ///< of the client; empty: none
  std::string key_file;
};

/// Reads host, port, client_id, username, password_file and tls.
MqttAddress read_mqtt_address(Settings& settings, const std::string& client_id);

/// What came from a broker; valid during the call that passes it.
struct MqttArrival {
  std::string_view topic;
  std::string_view payload;
  bool is_retained = false;  ///< whether the broker had kept it, so that it is older than the subscription
};

/// A lasting connection to a broker (MQTT 3.1.1, clean sessions): a thread of its own connects, and connects again
/// after 0.2 to 5 seconds for as long as it takes. Each attempt looks the host's name up anew. The connection ends
/// without a DISCONNECT, so that the broker publishes the will. Any thread may call any method.
class MqttConnection {
 public:
  /// Called on the connection's thread.
  struct Events {
    /// Before each attempt: the will of the new connection. Empty if it has none.
    std::function<MqttMessage()> will;
    /// If the broker refuses one of them, the connection ends and is opened anew.
    std::vector<std::string> subscriptions;
    int subscription_qos = 1;
    /// When the broker has accepted the connection: publishes what must come first. Returns whether deliver may go on.
    std::function<bool()> connected;
    std::function<void(const MqttArrival& message)> received;
  };

  /// Begins to connect.
  MqttConnection(MqttAddress address, Events events);
  ~MqttConnection();
  MqttConnection(const MqttConnection&) = delete;
  MqttConnection& operator=(const MqttConnection&) = delete;

  /// Hands a message to the connection, and does not wait for anything. Nothing happens if there is no connection.
  void publish(const MqttMessage& message);
  /// Sends one message of a delivery.
  using Send = std::function<void(const MqttMessage&)>;
  /// Waits for the connection, up to 3 s, calls `work`, which sends messages, and returns when the broker has
  /// acknowledged all of them. Messages of QoS 0 are acknowledged by the answer to a subscription that follows them, for
  /// which `fence` is the topic. Fails with unavailable if there is no connection, and if it ends or stalls; then it is
  /// opened anew, and nothing of these messages is sent again. Only one thread at a time.
  Result<void> deliver(const std::function<void(const Send&)>& work, const std::string& fence = {});
  /// Lets deliver go on, for a connection for which `connected` returned false.
  void set_ready();
  /// Ends this connection; a new one follows.
  void drop();
  /// Returns why there is no connection with all its subscriptions; empty if there is one.
  [[nodiscard]] std::string problem() const;
  /// Makes deliver fail from now on.
  void cancel();

 private:
  using Session = std::shared_ptr<mosquitto>;
  void run();
  /// Connects and serves one connection until it ends.
  void serve();
  [[nodiscard]] Session open_session();
  void end_session(const std::string& problem);
  void on_connected(mosquitto* session, int code);
  void on_subscribed(int message_id, bool is_refused);
  void on_acknowledged(int message_id);

  const MqttAddress address_;
  const Events events_;
  mutable Mutex mutex_;
  std::condition_variable changed_;
  Session session_ GUARDED_BY(mutex_);  ///< once the broker has accepted it
  bool ready_ GUARDED_BY(mutex_) = false;
  bool dropped_ GUARDED_BY(mutex_) = false;
  bool cancelled_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;
  bool delivering_ GUARDED_BY(mutex_) = false;
  std::set<int> acknowledged_ GUARDED_BY(mutex_);
  std::set<int> subscribing_ GUARDED_BY(mutex_);  ///< subscriptions that the broker has not answered
  std::string problem_ GUARDED_BY(mutex_) = "not yet connected";
  std::string refusal_ GUARDED_BY(mutex_);  ///< why the broker has just refused the connection
  Session opening_;                         ///< belongs to the connection's thread
  std::thread thread_;
};

}  // namespace vedette
