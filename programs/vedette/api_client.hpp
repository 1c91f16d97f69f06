#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "http_client/http_client.hpp"

namespace vedette {

/// What a service answered instead of success.
struct ApiFailure : std::runtime_error {
  ApiFailure(std::string n, const std::string& message) : std::runtime_error(n + ": " + message), name(std::move(n)) {}
  std::string name;  ///< "ConflictException"
};

/// The few calls of a Vedette server that the local tools make, through its public API like everybody else. Everything
/// throws: ApiFailure for a refusal, std::runtime_error if the server cannot be reached. One thread.
class ApiClient {
 public:
  explicit ApiClient(ServiceClientOptions options) : client_(std::move(options)) {}

  /// A call of `lookoutvision`; `path` below the API version, "/projects/p".
  nlohmann::json call(const char* method, const std::string& path, const nlohmann::json& body = nullptr);
  /// A reading call of the service `vedette`; `path` below its version.
  nlohmann::json get_from_vedette(const std::string& path, const std::string& query);

  void create_bucket(const std::string& bucket);  ///< no error if it exists
  void put_object(const std::string& bucket, const std::string& key, std::string_view content, const std::string& type);
  std::string get_object(const std::string& bucket, const std::string& key);
  /// MD5 of an object's content, or nothing if there is none.
  std::optional<std::string> etag(const std::string& bucket, const std::string& key);
  std::vector<std::string> list_keys(const std::string& bucket, const std::string& prefix);

 private:
  nlohmann::json send(const ServiceClient::Call& call);
  HttpResponse s3(const char* method, const std::string& bucket, const std::string& key, const std::string& query = "",
                  std::string_view body = {}, const HeaderList& headers = {});
  ServiceClient client_;
};

}  // namespace vedette
