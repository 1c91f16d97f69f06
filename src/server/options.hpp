#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/settings.hpp"

/// The one table of what `vedette serve` can be told: the command line, its --help, the check of the settings and the
/// table in docs/configuration.md are made from it. A new setting is a member of ServerSettings and a row here.
namespace vedette {

/// Where a setting stands; its type decides how its text is read. A bool is a flag without a value, and of a list each
/// element may be given by itself or with others, separated by commas.
using OptionValue = std::variant<bool*, std::string*, int*, std::int64_t*, std::size_t*, double*, std::optional<int>*,
                                 std::optional<double>*, std::vector<std::string>*>;

struct NumberRange {
  double least, most;
};
struct OneOf {
  std::vector<std::string> words;  ///< of a list: each element must be one of them
};
struct ExistingFile {};
struct AccountNumber {};  ///< 12 digits
using OptionCheck = std::variant<std::monostate, NumberRange, OneOf, ExistingFile, AccountNumber>;

struct Option {
  std::string name;         ///< "--data"
  std::string environment;  ///< the variable that is read if the option is not given; empty: none
  OptionValue (*value)(ServerSettings&);
  OptionCheck check;         ///< of a value that is given, or not empty
  std::string summary;       ///< one sentence, for --help and the documentation
  std::string details = {};  ///< further sentences, for the documentation only; Markdown
  std::string usually = {};  ///< the default in words, for the documentation, where the settings' own text does not do
};

/// In the order of --help and of the documentation.
const std::vector<Option>& server_options();

/// What the option takes, for --help: "1..1024", "on|off"; empty for a text of any kind and for flags.
std::string accepted_text(const Option& option);

/// Throws std::runtime_error, which names the option, what it wants and what it was given, if a setting is out of its range.
void check_options(const ServerSettings& settings);

/// The table of docs/configuration.md, in Markdown.
std::string options_documentation();

}  // namespace vedette
