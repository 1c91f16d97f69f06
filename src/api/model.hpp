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

/// The API model: one JSON description per service (operations, members, limits, errors, actions). It drives routing
/// and validation here, and the tests, documents and client models elsewhere. docs/api-model.md describes the file.
namespace vedette {

enum class ValueKind { string, integer, long_integer, floating, boolean, timestamp, blob, list, structure };

struct ApiType {
  std::string name;
  ValueKind kind = ValueKind::string;
  /// The limits of a string in characters, of a blob in bytes, of a list in items, or of an integer's value.
  std::optional<std::int64_t> minimum, maximum;
  std::string pattern_text;
  std::shared_ptr<const re2::RE2> pattern;  ///< The pattern must match the whole value.
  std::vector<std::string> values;          ///< The values of an enum.
  const ApiType* item = nullptr;            ///< The type of a list's items.
  struct Member {
    std::string name;
    const ApiType* type;
    bool is_required;
  };
  std::vector<Member> members;  ///< The members of a structure.
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
  std::vector<std::string> path;  ///< The segments of the path; "{label}" stands for a value.
  int success_status = 200;
  std::string action;    ///< The IAM action that a caller needs; empty if none is needed.
  std::string resource;  ///< "project", "model", "arn" or "any": what resource the action is checked for
  std::vector<InputMember> input;
  std::vector<std::string> errors;
  [[nodiscard]] bool has_payload() const;
  [[nodiscard]] bool takes_client_token() const;
};

struct ApiError {
  int status = 500;
  std::vector<std::string> members;  ///< The members of the error's body.
};

/// Everything of a request that carries members.
struct OperationInput {
  std::map<std::string, std::string> path_labels;            ///< Decoded values of the path's labels.
  std::vector<std::pair<std::string, std::string>> query;    ///< Decoded names and values.
  std::vector<std::pair<std::string, std::string>> headers;  ///< The names are in lower case.
  std::string_view body;                                     ///< JSON; operations with a payload do not look at it.
};

/// Immutable after parse(); any thread may use it.
class ApiModel {
 public:
  /// Reads a model. The text must outlive the model. Throws std::runtime_error if the text is not a model, since it is
  /// part of the program.
  static ApiModel parse(std::string_view json);
  ~ApiModel();
  ApiModel(ApiModel&&) noexcept;

  struct Route {
    const Operation* operation;
    std::map<std::string, std::string> labels;
  };
  /// Finds the operation for a method and a raw (still encoded) path. Fails with not_found and the code
  /// UnknownOperationException.
  [[nodiscard]] Result<Route> route(std::string_view method, std::string_view raw_path) const;

  /// Collects and checks every member. Returns an object by member name; blobs are text that is decoded from base64
  /// already, timestamps are milliseconds. Fails with invalid_input, worded as AWS does; the code is
  /// SerializationException for wrong JSON, else empty. All texts are such that every database can store them.
  [[nodiscard]] Result<nlohmann::json> decode(const Operation& operation, const OperationInput& input) const;

  [[nodiscard]] const std::vector<Operation>& operations() const;
  [[nodiscard]] const ApiError* find_error(const std::string& name) const;  ///< Returns null if the error is unknown.
  /// Returns the service's name, which is also its signing name.
  [[nodiscard]] const std::string& service() const;
  [[nodiscard]] const std::string& version() const;
  /// Returns the JSON text, for those who turn it into other descriptions.
  [[nodiscard]] std::string_view source() const;

 private:
  struct State;
  explicit ApiModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vedette
