#include "http_client/transport.hpp"

#include <curl/curl.h>

#include <stdexcept>

#include "base/text.hpp"

namespace vedette {
namespace {

struct Free {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Receiving {
  HttpResponse response;
  std::uint64_t limit;
};

std::size_t take_body(char* data, std::size_t, std::size_t count, void* out) {
  auto& receiving = *static_cast<Receiving*>(out);
  if (receiving.response.body.size() + count > receiving.limit) return 0;
  receiving.response.body.append(data, count);
  return count;
}

std::size_t take_header(char* data, std::size_t, std::size_t count, void* out) {
  auto& headers = static_cast<Receiving*>(out)->response.headers;
  const std::string_view line(data, count);
  if (line.starts_with("HTTP/")) headers.clear();  // The headers so far belong to an interim answer.
  const auto colon = line.find(':');
  if (colon != std::string_view::npos)
    headers.emplace_back(to_lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  return count;
}

int check_cancelled(void* flag, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(flag) ? 1 : 0;
}

std::string origin_of(const std::string& url) {
  const auto scheme = url.find("://");
  return url.substr(0, url.find('/', scheme == std::string::npos ? 0 : scheme + 3));
}

}  // namespace

struct Transport::State {
  TransportOptions options;
  CURL* curl = nullptr;
};

Transport::Transport(TransportOptions options) : state_(std::make_unique<State>()) {
  static const auto ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  state_->options = std::move(options);
  state_->curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
  if (state_->curl == nullptr) throw std::runtime_error("libcurl cannot be used");
}

Transport::~Transport() {
  curl_easy_cleanup(state_->curl);
}

Result<HttpResponse> Transport::send(const std::string& method, const std::string& url, const HeaderList& header_list,
                                     std::string_view body, std::uint64_t largest_answer) {
  const auto& options = state_->options;
  curl_slist* raw = nullptr;
  for (const auto& [name, value] : header_list)
    raw = curl_slist_append(raw, value.empty() ? (name + ";").c_str() : (name + ": " + value).c_str());
  // Without "Expect", a call takes one round trip less; an early refusal is rarer.
  raw = curl_slist_append(raw, "expect:");
  const std::unique_ptr<curl_slist, Free> headers(raw);
  auto* curl = state_->curl;
  curl_easy_reset(curl);  // This keeps the connection.
  Receiving receiving{{}, largest_answer};
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);  // What was signed must be what is sent.
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.idle_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  if (!options.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
  if (options.cancelled != nullptr) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_cancelled);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, options.cancelled);
  }
  if (method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (!body.empty() || method == "POST" || method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiving);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &receiving);
  const auto code = curl_easy_perform(curl);
  if (code == CURLE_WRITE_ERROR)
    return fail(ErrorKind::too_large,
                "The answer of " + origin_of(url) + " is larger than " + std::to_string(largest_answer) + " bytes.");
  if (code != CURLE_OK)
    return fail(ErrorKind::unavailable, "No answer from " + origin_of(url) + ": " + curl_easy_strerror(code) + ".");
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  receiving.response.status = static_cast<int>(status);
  return std::move(receiving.response);
}

}  // namespace vedette
