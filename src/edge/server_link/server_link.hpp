#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "edge/sinks/sinks.hpp"
#include "http_client/http_client.hpp"

/// The link of a station to a Vedette server: verdicts and kept pictures go there in order, the station reports itself,
/// and the versions of models that the server chose for it (channels) are fetched. docs/stations.md describes it from
/// the side of the user.
namespace vedette {

/// One element of the configuration's `sinks` with the kind "server".
struct ServerLinkOptions {
  std::string name = "server";  ///< of the sink, and of its cursor in the journal
  std::string station;
  std::string endpoint;  ///< https://vedette.plant.example:8420
  std::string region = "us-east-1";
  std::filesystem::path credentials;  ///< has the form of the AWS credentials file; it is read again at each call
  std::string profile = "default";
  std::string ca_file;         ///< the certificate authorities to trust in the place of the system's; may be empty
  std::string bucket, prefix;  ///< where kept pictures go; without a bucket they stay at the station
  std::chrono::seconds interval{60};  ///< between two reports, 1 … 86,400
  bool follows_channels = true;
};

/// Reads {"kind": "server", "endpoint": …, "credentials": …} and the optional members "name", "region", "profile",
/// "ca_file", "pictures" (s3://bucket/prefix), "interval" and "channels" (whether they are followed). Fails with
/// invalid_input and names the member that is wrong, missing or unknown.
Result<ServerLinkOptions> parse_server_link(const nlohmann::json& config, const std::string& station);

/// What the link needs of the station.
struct ServerLinkStation {
  std::string agent_version;
  /// Returns the file of a kept picture, as Journal::find_picture does. Records wait for a picture that is pending.
  std::function<Result<std::filesystem::path>(std::string_view name)> find_picture;
  /// The folder of the model components, where versions are put as <component>/<version>/.
  std::filesystem::path models;
  /// Has a component run a version that lies in the folder, as Components::choose does.
  std::function<Result<void>(const std::string& component, const std::string& version)> choose;
  /// Returns the version of a component that runs or ran last; empty if there is none.
  std::function<std::string(const std::string& component)> running;
};

/// Delivers records with PutStationVerdicts, and has a thread that reports the station with PutStationReport and one that
/// follows the channels. A record that the server itself names as broken is left out and counted, so that it does not hold up
/// the others.
class ServerLink : public Sink {
 public:
  ServerLink(ServerLinkOptions options, ServerLinkStation station);
  ~ServerLink() override;  ///< Cancels and joins the threads.
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  [[nodiscard]] const std::string& name() const override;
  [[nodiscard]] std::size_t most_records() const override;
  Result<void> deliver(std::span<const VerdictRecord> records) override;
  void cancel() override;
  /// The first call starts the reports.
  void show_state(const StationState& state, const JournalCounts& counts) override;

  /// When the server answered last; empty if it has not yet. Any thread.
  [[nodiscard]] std::optional<Timestamp> last_contact() const;
  /// How many records the server refused since the start. Any thread.
  [[nodiscard]] std::uint64_t refused() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
