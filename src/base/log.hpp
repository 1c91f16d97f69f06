#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vedette::log {

using Field = std::pair<std::string_view, std::string>;
using Fields = std::initializer_list<Field>;

/// Writes one event as one line on standard error: time, level, fixed text, then key=value fields (quoted where needed,
/// control characters escaped); the fields of the thread's context come last. Any thread may call these functions; a
/// line is written by one call of the system. Never pass secrets or bytes of pictures.
void info(std::string_view event, Fields fields = {});
void info(std::string_view event, std::span<const Field> fields);
void warning(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

/// Fields that say what a line belongs to: the request that is served or the job that runs. This is a value; copies
/// share the fields. The names must be literals.
class Context {
 public:
  Context() = default;  ///< no fields
  explicit Context(Fields fields) : Context(std::vector<Field>(fields)) {}
  explicit Context(std::vector<Field> fields)
      : fields_(std::make_shared<const std::vector<Field>>(std::move(fields))) {}
  /// Returns the context of the calling thread.
  static Context current();
  [[nodiscard]] std::span<const Field> fields() const { return fields_ ? *fields_ : std::span<const Field>(); }

 private:
  std::shared_ptr<const std::vector<Field>> fields_;
};

/// Gives its thread a context: as long as it lives, every line that the thread writes carries this context instead of
/// the one before. It lives and ends on one thread, so a coroutine must not hold one while it is suspended.
class Scope {
 public:
  explicit Scope(Context context);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Context outer_;
};

/// Wraps work so that it runs on another thread in the context of the thread that calls this.
template <typename Work>
auto carried(Work work) {
  return [context = Context::current(), work = std::move(work)](auto&&... arguments) mutable {
    const Scope scope(context);
    return work(std::forward<decltype(arguments)>(arguments)...);
  };
}

}  // namespace vedette::log
