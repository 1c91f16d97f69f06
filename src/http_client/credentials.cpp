#include "http_client/credentials.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "http_client/transport.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kFileLimit = 1 << 20;
constexpr auto kRenewBefore = std::chrono::minutes(5);

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string profile_name() {
  const auto profile = environment("AWS_PROFILE");
  return profile.empty() ? "default" : profile;
}

fs::path aws_file(const char* variable, const char* name) {
  const auto file = environment(variable);
  return file.empty() ? fs::path(environment("HOME")) / ".aws" / name : fs::path(file);
}

/// Calls `take(name, value)` for each line of one section.
template <typename Take>
Result<void> read_section(const fs::path& file, std::string_view section, Take take) {
  const auto bytes = read_file(file, kFileLimit);
  if (!bytes) return invalid_input("The file " + file.string() + " cannot be read.");
  bool is_ours = false;
  for (auto line : split(as_text(*bytes), '\n')) {
    line = trim(line);
    if (line.starts_with('[') && line.ends_with(']')) is_ours = trim(line.substr(1, line.size() - 2)) == section;
    const auto equals = line.find('=');
    if (is_ours && equals != std::string_view::npos) take(trim(line.substr(0, equals)), trim(line.substr(equals + 1)));
  }
  return {};
}

std::string member(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// Reads the answer of the credential service of a container or an instance.
Result<ClientCredentials> parse_temporary(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(ErrorKind::unavailable, "The credential service did not answer with JSON.");
  ClientCredentials keys{member(json, "AccessKeyId"), member(json, "SecretAccessKey"), member(json, "Token"),
                         parse_timestamp(member(json, "Expiration"))};
  if (keys.access_key_id.empty() || keys.secret_access_key.empty())
    return fail(ErrorKind::unavailable, "The credential service gave no keys.");
  return keys;
}

Transport short_transport() {
  TransportOptions options;
  options.connect_timeout = std::chrono::seconds(1);
  options.idle_timeout = std::chrono::seconds(2);
  return Transport(options);
}

Result<std::string> fetch(Transport& transport, const char* method, const std::string& url, const HeaderList& headers) {
  auto answer = transport.send(method, url, headers, {}, kFileLimit);
  if (!answer) return answer.error();
  if (answer->status != 200)
    return fail(ErrorKind::unavailable, url + " answered " + std::to_string(answer->status) + ".");
  return std::move(answer->body);
}

Result<ClientCredentials> from_container(const std::string& url) {
  HeaderList headers;
  auto token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const auto file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty())
    if (const auto bytes = read_file(file, kFileLimit)) token = trim(as_text(*bytes));
  if (!token.empty()) headers.emplace_back("authorization", token);
  auto transport = short_transport();
  const auto text = fetch(transport, "GET", url, headers);
  if (!text) return text.error();
  return parse_temporary(*text);
}

Result<ClientCredentials> from_instance() {
  auto base = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (base.empty()) base = "http://169.254.169.254";
  while (base.ends_with('/')) base.pop_back();
  auto transport = short_transport();
  const auto token =
      fetch(transport, "PUT", base + "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}});
  if (!token) return token.error();
  const HeaderList headers = {{"x-aws-ec2-metadata-token", *token}};
  const auto roles = base + "/latest/meta-data/iam/security-credentials/";
  const auto role = fetch(transport, "GET", roles, headers);
  if (!role) return role.error();
  const auto text =
      fetch(transport, "GET", roles + uri_encode(trim(std::string_view(*role).substr(0, role->find('\n')))), headers);
  if (!text) return text.error();
  return parse_temporary(*text);
}

}  // namespace

Result<ClientCredentials> read_credentials(const fs::path& file, std::string_view profile) {
  ClientCredentials found;
  auto ok = read_section(file, profile, [&](std::string_view name, std::string_view value) {
    if (name == "aws_access_key_id") found.access_key_id = value;
    if (name == "aws_secret_access_key") found.secret_access_key = value;
    if (name == "aws_session_token") found.session_token = value;
  });
  if (!ok) return ok.error();
  if (found.access_key_id.empty() || found.secret_access_key.empty())
    return invalid_input("The credentials file " + file.string() + " has no profile " + std::string(profile) + ".");
  return found;
}

Result<ClientCredentials> find_credentials() {
  ClientCredentials found{environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                          environment("AWS_SESSION_TOKEN"), std::nullopt};
  if (!found.access_key_id.empty() && !found.secret_access_key.empty()) return found;
  return read_credentials(aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile_name());
}

std::string find_region() {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (auto region = environment(name); !region.empty()) return region;
  const auto profile = profile_name();
  std::string region;
  (void)read_section(aws_file("AWS_CONFIG_FILE", "config"), profile == "default" ? profile : "profile " + profile,
                     [&](std::string_view name, std::string_view value) {
                       if (name == "region") region = value;
                     })
      .has_value();
  return region;
}

Result<ClientCredentials> fetch_credentials() {
  if (const auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); !relative.empty())
    return from_container("http://169.254.170.2" + relative);
  if (const auto full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI"); !full.empty()) return from_container(full);
  if (!equals_ignore_case(environment("AWS_EC2_METADATA_DISABLED"), "true")) return from_instance();
  return fail(ErrorKind::unavailable, "");
}

bool CredentialSource::work_for(Timestamp::duration time) const {
  return cached_ && (!cached_->expires || *cached_->expires - clock_.now() > time);
}

Result<ClientCredentials> CredentialSource::get() {
  auto found = find_credentials();
  if (found) return found;
  MutexLock lock(mutex_);
  fetched_.wait(lock.standard(), [this]() REQUIRES(mutex_) { return !is_fetching_ || work_for({}); });
  if (is_fetching_ || work_for(kRenewBefore)) return *cached_;
  is_fetching_ = true;
  lock.unlock();  // The credential service may take its time.
  Result<ClientCredentials> fetched = fail(ErrorKind::unavailable, "");
  try {
    fetched = fetch_();
  } catch (const std::exception& e) {
    fetched = fail(ErrorKind::unavailable, e.what());
  }
  lock.lock();
  is_fetching_ = false;
  fetched_.notify_all();
  if (fetched) cached_ = *fetched;
  // Keys that still work are better than none.
  if (fetched || work_for({})) return *cached_;
  return fail(ErrorKind::unavailable,
              "No credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in "
              "~/.aws/credentials. " +
                  fetched.error().message);
}

}  // namespace vedette
