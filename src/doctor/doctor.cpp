#include "doctor/doctor.hpp"

#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "doctor/certificate.hpp"
#include "doctor/clocks.hpp"
#include "doctor/company.hpp"
#include "doctor/database.hpp"
#include "doctor/files.hpp"
#include "doctor/machine.hpp"
#include "doctor/objects.hpp"
#include "doctor/references.hpp"
#include "http_client/transport.hpp"
#include "server/object_storage.hpp"
#include "server/options.hpp"
#include "store/objects/s3/s3_objects.hpp"

namespace vedette::doctor {
namespace {

/// Returns whether the options fit together, so that the others can be looked at.
bool check_settings(const ServerSettings& settings, const Report& report) {
  try {
    check_options(settings);
    (void)http_options(settings);
    (void)node_address(settings, http_options(settings).port);
    (void)metrics_access(settings);
  } catch (const std::exception& e) {
    report({"options", Level::failed, fmt::format("The server would not start: {}.", e.what())});
    return false;
  }
  report({"options", Level::ok, "The options fit together."});
  return true;
}

void check_tls(const ServerSettings& settings, const Report& report) {
  const auto http = http_options(settings);
  if (!http.tls_certificate.empty()) {
    CertificateFiles files{settings.tls_certificate, settings.tls_key, settings.node_ca, {}};
    if (const auto url = node_address(settings, http.port); url.starts_with("https://")) files.host = host_of(url);
    return check_certificate(files, SystemClock().now(), report);
  }
  if (!settings.insecure_http) return report({"TLS", Level::ok, "Plain HTTP is offered on this machine only."});
  if (settings.trusted_proxies.empty())
    return report({"TLS", Level::warning,
                   "Plain HTTP is offered to other machines, which can be read and altered on the way. Give --tls-cert "
                   "and --tls-key, or put "
                   "a proxy with TLS before the server and name it with --trusted-proxy"});
  report({"TLS", Level::ok, "The server speaks plain HTTP; TLS ends at the proxy before it."});
}

/// The service says what time it is in each answer, also if it refuses the request.
void check_s3_clock(const S3StoreOptions& options, const Report& report) {
  TransportOptions transport_options;
  transport_options.ca_file = options.ca_file;
  transport_options.connect_timeout = options.connect_timeout;
  transport_options.idle_timeout = options.idle_timeout;
  Transport transport(transport_options);
  const auto endpoint = options.endpoint.empty() ? "https://s3." + options.region + ".amazonaws.com" : options.endpoint;
  // The first answer may have waited for a connection to be made.
  Result<HttpResponse> answer = internal_error("");
  Timestamp asked{};
  std::chrono::steady_clock::duration took{};
  for (int i = 0; i < 2; ++i) {
    asked = SystemClock().now();
    const auto start = std::chrono::steady_clock::now();
    answer = transport.send("GET", endpoint + "/", {}, "", 1 << 20);
    took = std::chrono::steady_clock::now() - start;
    if (!answer) return;  // The check of the objects says why.
  }
  const auto date = parse_http_date(header_value(answer->headers, "date"));
  if (!date) return report({"clock", Level::warning, "The S3 service does not say what time it is (Date)."});
  constexpr std::chrono::milliseconds kHalfSecond{500};  // The date has whole seconds, cut off.
  auto difference = membership::clock_difference(asked, took, *date + kHalfSecond);
  difference.bound += kHalfSecond;
  judge_s3_clock(difference, report);
}

NextPictures pictures_of(const ServerSettings& settings) {
  return [&settings](const std::string& after) {
    const auto connection = connect(settings);
    std::vector<std::string> references;
    connection->begin(sql::Access::read);
    {
      auto q = connection->prepare(
          "SELECT DISTINCT source_ref FROM dataset_entries WHERE source_ref > ? ORDER BY source_ref LIMIT 10000");
      q.bind(after);
      while (q.step()) references.push_back(q.text(0));
    }
    connection->roll_back();
    return references;
  };
}

void check_storage(const ServerSettings& settings, bool has_references, const Report& report) {
  if (settings.objects.url.empty()) {
    if (settings.metadata.empty())
      report({"objects", Level::ok, "The objects are in the data folder."});
    else
      report({"objects", Level::warning,
              "The objects are in the data folder, so that no second node can use this database. Keep them in an S3 "
              "service (--objects)"});
    return;
  }
  try {
    const TemporaryFolder spool;
    auto options = s3_store_options(settings.objects);
    options.spool = spool.path();
    options.attempts = 2;  // A service that answers only now and then is a finding.
    check_s3_clock(options, report);
    const SystemClock clock;
    const auto store = open_s3_objects(options, clock);
    if (check_objects(*store, report) && has_references)
      check_references(*open_metadata(settings), pictures_of(settings), *store, report);
  } catch (const std::exception& e) {
    report({"objects", Level::failed, fmt::format("The S3 service cannot be used: {}.", e.what())});
  }
}

}  // namespace

const char* to_text(Level level) {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::warning:
      return "warning";
    default:
      return "failed";
  }
}

void examine(const ServerSettings& settings, Depth depth, const Report& report) {
  if (!check_settings(settings, report)) return;
  judge_machine(look_at_machine(), settings, report);
  check_space(settings, report);
  check_files(settings, report);
  check_tls(settings, report);
  const bool has_metadata = check_metadata(settings, report);
  if (has_metadata) check_company(settings, report);
  check_storage(settings, has_metadata && depth == Depth::references, report);
}

}  // namespace vedette::doctor
