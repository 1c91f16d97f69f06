#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace re2 {
class RE2;
}

/// The API model: one JSON description per service (operations, members, limits, errors, actions) that drives routing
/// and validation here, and the tests, documents and client models elsewhere. docs/api-model.md describes the file.
namespace vedette {

enum class ValueKind { string, integer, long_integer, floating, boolean, timestamp, blob, list, structure };

struct ApiType {
  std::string name;
  ValueKind kind = ValueKind::string;
  std::optional<std::int64_t> minimum, maximum;  ///< characters, bytes (blob), items (list) or value (integer)
  std::string pattern_text;
  std::shared_ptr<const re2::RE2> pattern;  ///< must match the whole value
  std::vector<std::string> values;          ///< of an enum
  const ApiType* item = nullptr;            ///< of a list
  struct Member {
    std::string name;
    const ApiType* type;
    bool is_required;
  };
  std::vector<Member> members;  ///< of a structure
};

enum class InputPlace { path, query, header, body, payload };

struct InputMember {
  std::string name;
  std::string wire_name;
  InputPlace place;
  const ApiType* type;
  bool is_required;
};

struct Operation {
  std::string name;
  std::string method;
  std::vector<std::string> path;  ///< segments; "{label}" stands for a value
  int success_status = 200;
  std::string action;    ///< IAM action
  std::string resource;  ///< "project", "model", "arn" or "any": what the action's resource is
  std::vector<InputMember> input;
  std::vector<std::string> errors;
  [[nodiscard]] bool has_payload() const;
  [[nodiscard]] bool takes_client_token() const;
};

struct ApiError {
  int status = 500;
  std::vector<std::string> members;  ///< of the body
};

/// Everything of a request that carries members.
struct OperationInput {
  std::map<std::string, std::string> path_labels;            ///< decoded
  std::vector<std::pair<std::string, std::string>> query;    ///< decoded
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string_view body;                                     ///< JSON; not looked at for operations with a payload
};

/// Immutable after parse; any thread.
class ApiModel {
 public:
  /// The text must outlive the model. Throws std::runtime_error if it is not a model: it is part of the program.
  static ApiModel parse(std::string_view json);
  ~ApiModel();
  ApiModel(ApiModel&&) noexcept;

  struct Route {
    const Operation* operation;
    std::map<std::string, std::string> labels;
  };
  /// Matches method and raw (still encoded) path. Fails with not_found and the code UnknownOperationException.
  [[nodiscard]] Result<Route> route(std::string_view method, std::string_view raw_path) const;

  /// Collects and checks every member: an object by member name, blobs as text already decoded from base64, timestamps
  /// as milliseconds. Fails with invalid_input (code SerializationException for wrong JSON, else none), worded as AWS
  /// does.
  [[nodiscard]] Result<nlohmann::json> decode(const Operation& operation, const OperationInput& input) const;

  [[nodiscard]] const std::vector<Operation>& operations() const;
  [[nodiscard]] const ApiError* find_error(const std::string& name) const;  ///< null if unknown
  [[nodiscard]] const std::string& service() const;                         ///< also its signing name
  [[nodiscard]] const std::string& version() const;
  [[nodiscard]] std::string_view source() const;  ///< the JSON text, for those who turn it into other descriptions

 private:
  struct State;
  explicit ApiModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vedette
