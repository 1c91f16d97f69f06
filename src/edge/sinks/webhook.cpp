#include <fmt/format.h>

#include <atomic>
#include <chrono>

#include "base/digest.hpp"
#include "edge/sinks/kinds.hpp"
#include "http_client/transport.hpp"

/// The sink `webhook`: POSTs records to a URL, signed with a secret that both sides know.
namespace vedette::sinks {
namespace {

/// Whether an answer is about the records themselves, so that it stays the same however often they come. All others tell
/// of a fault that somebody mends: of the receiver, the key, the address, or the way there.
bool is_refusal(int status) {
  return status == 400 || status == 409 || status == 410 || status == 413 || status == 415 || status == 422;
}

class Webhook : public Sink {
 public:
  Webhook(std::string name, std::string station, std::string url, std::string secret, std::size_t batch,
          std::string ca_file)
      : name_(std::move(name)),
        station_(std::move(station)),
        url_(std::move(url)),
        secret_(std::move(secret)),
        batch_(batch),
        transport_({.ca_file = std::move(ca_file),
                    .connect_timeout = std::chrono::seconds(5),
                    .idle_timeout = std::chrono::seconds(20),
                    .cancelled = &cancelled_}) {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t most_records() const override { return batch_; }
  void cancel() override { cancelled_ = true; }

  Result<void> deliver(std::span<const VerdictRecord> records) override {
    auto body = fmt::format(R"({{"station":"{}","records":[)", station_);
    for (std::size_t i = 0; i < records.size(); ++i) body += (i == 0 ? "" : ",") + to_json(records[i]);
    body += "]}";
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto timestamp = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
    const auto signature = to_hex(hmac_sha256(as_bytes(secret_), fmt::format("{}.{}", timestamp, body)));
    const auto answer = transport_.send("POST", url_,
                                        {{"content-type", "application/json"},
                                         {"vedette-timestamp", timestamp},
                                         {"vedette-signature", "sha256=" + signature}},
                                        body, 1 << 20);
    if (!answer) return answer.error();
    if (answer->status >= 200 && answer->status <= 299) return {};
    return fail(is_refusal(answer->status) ? ErrorKind::unsupported : ErrorKind::unavailable,
                fmt::format("The receiver answered with the status {}.", answer->status));
  }

 private:
  const std::string name_;
  const std::string station_;
  const std::string url_;
  const std::string secret_;
  const std::size_t batch_;
  std::atomic<bool> cancelled_ = false;
  Transport transport_;
};

}  // namespace

MadeSink make_webhook(Settings& settings, std::string name, const std::string& station) {
  auto url = settings.text("url", true, 2048);
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    settings.complain("url", "does not begin with http:// or https://");
  auto secret = settings.secret("secret_file", true);
  const auto batch = settings.number("batch", 1, 1000, 50);
  auto ca_file = settings.text("ca_file", false, 4096);
  if (auto finished = settings.finish(); !finished) return finished.error();
  return std::unique_ptr<Sink>(std::make_unique<Webhook>(std::move(name), station, std::move(url), std::move(secret),
                                                         batch, std::move(ca_file)));
}

}  // namespace vedette::sinks
