#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "http/open_paths.hpp"
#include "http/server.hpp"
#include "service/service.hpp"
#include "service/stations.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "upkeep/upkeep.hpp"

/// Holds all settings that a server can be started with. The table in server/options.cpp says what each setting means,
/// and which values it may have.
namespace vedette {

/// Returns half of the machine's memory, in MiB.
std::int64_t default_model_memory();

/// Describes another S3 service that keeps the objects.
struct RemoteObjectSettings {
  std::string url;  ///< s3://BUCKET or s3://BUCKET/PREFIX; empty if the objects are in the data folder
  std::string endpoint, region, ca_file;
  int timeout_seconds = 20;
};

struct ServerSettings {
  std::string data = "./vedette-data";
  std::string listen = "127.0.0.1:8420";
  std::string metadata;    ///< postgresql://…; empty if the metadata are in the data folder
  std::string master_key;  ///< a file; empty if the key is in the data folder
  std::string account = "123456789012";
  bool insecure_http = false;
  std::string node_ca;       ///< a PEM file; empty: the system's authorities
  std::string node_address;  ///< a URL; empty if it follows from `listen`
  std::optional<double> drain_seconds;
  std::string tls_certificate, tls_key;
  std::vector<std::string> regions;
  std::string s3_domain;
  std::string presigned_v2 = "on";
  RemoteObjectSettings objects;
  FilesystemOptions storage;  ///< for objects in the data folder; accept_loss sets its member accept_lost_index
  std::vector<std::string> accept_loss;  ///< any of "metadata", "index", "master-key"
  UpkeepOptions upkeep;
  int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int unit_cores = 4;
  double longest_wait_seconds = 2;
  std::int64_t model_memory_mib = default_model_memory();
  int audit_days = 365;
  double requests_per_second = 0;
  std::size_t most_connections = 1024, connections_per_address = 256;
  std::vector<std::string> trusted_proxies;
  std::string metrics_access = "open", metrics_token_file;
  std::optional<double> training_budget_seconds;
  std::optional<int> false_alarms;
  std::string backbone;
  std::string trainer_sandbox = "on";
  Quotas quotas;
  StationLimits stations;
};

/// Returns address, port, certificate and limits of the HTTP server. Throws std::runtime_error if the address cannot be
/// read, if only one of certificate and key is named, or if the server would offer plain HTTP beyond loopback although
/// the settings do not ask for that.
ServerOptions http_options(const ServerSettings& settings);

/// Returns the URL at which other nodes reach this one, which listens on `port`: what the settings say, or what follows
/// from --listen. It is empty if nothing follows, because the server listens on all addresses. Throws std::runtime_error
/// if --node-address is not the URL of a server.
std::string node_address(const ServerSettings& settings, std::uint16_t port);

/// Returns who may read /metrics; for access by token it reads the token from its file. Throws std::runtime_error if
/// the settings name a token file without access by token, or access by token without a file.
MetricsAccess metrics_access(const ServerSettings& settings);

}  // namespace vedette
