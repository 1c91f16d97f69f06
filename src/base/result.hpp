#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace vedette {

/// What the *caller* should do next. Each outer protocol maps these kinds to its own codes in one table.
enum class ErrorKind {
  invalid_input,    ///< The caller should change the request.
  unauthenticated,  ///< The caller should sign the request properly.
  access_denied,    ///< The caller should ask for permission.
  not_found,        ///< The caller should name something that exists.
  conflict,         ///< The caller should wait for another state, or bring it about.
  quota_exceeded,   ///< The caller should use less, or have the quota raised.
  throttled,        ///< The caller should try again later.
  too_large,        ///< The caller should send less.
  unsupported,      ///< This server does not offer what the caller asks for.
  unavailable,      ///< Something that the server depends on is away: the caller should try again.
  internal,         ///< The fault is the server's.
};

/// An expected failure. The message is for the user: it never holds secrets, file paths of the server or SQL.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message = {};
  std::string code = {};  ///< A protocol's own code ("NoSuchKey") where the kind alone is too coarse, else empty.
  std::string resource_type = {};  ///< PROJECT, DATASET, MODEL … where the wire format wants it.
  std::string resource_id = {};
  int retry_after_seconds = 0;
};

/// Either a value or an Error. Its shape is that of std::expected, so that C++23 can replace it.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit like std::expected
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return assert(has_value()), std::get<0>(state_); }
  const T& value() const& { return assert(has_value()), std::get<0>(state_); }
  T&& value() && { return assert(has_value()), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const Error& error() const { return assert(!has_value()), std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const { return assert(error_), *error_; }

 private:
  std::optional<Error> error_;
};

inline Error fail(ErrorKind kind, std::string message, std::string code = {}) {
  return Error{.kind = kind, .message = std::move(message), .code = std::move(code)};
}
inline Error invalid_input(std::string message) {
  return fail(ErrorKind::invalid_input, std::move(message));
}
inline Error internal_error(std::string message) {
  return fail(ErrorKind::internal, std::move(message));
}
inline Error not_found(std::string type, std::string id, std::string message) {
  return Error{.kind = ErrorKind::not_found,
               .message = std::move(message),
               .resource_type = std::move(type),
               .resource_id = std::move(id)};
}
inline Error conflict(std::string type, std::string id, std::string message) {
  return Error{.kind = ErrorKind::conflict,
               .message = std::move(message),
               .resource_type = std::move(type),
               .resource_id = std::move(id)};
}

}  // namespace vedette
