#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/settings.hpp"

/// This is the one table of all options of `vedette serve`. The command line, its --help, the check of the settings and
/// the table in docs/configuration.md are made from it. A new setting is a member of ServerSettings and a row here.
namespace vedette {

/// Points to the setting that an option writes; the pointer's type decides how the option's text is read. A bool is a
/// flag without a value. The elements of a list may be given one by one or together, separated by commas.
using OptionValue = std::variant<bool*, std::string*, int*, std::int64_t*, std::size_t*, double*, std::optional<int>*,
                                 std::optional<double>*, std::vector<std::string>*>;

struct NumberRange {
  double least, most;
};
struct OneOf {
  std::vector<std::string> words;  ///< the values that are accepted, for a text or for each element of a list
};
struct ExistingFile {};
struct AccountNumber {};  ///< a text of 12 digits
using OptionCheck = std::variant<std::monostate, NumberRange, OneOf, ExistingFile, AccountNumber>;

struct Option {
  std::string name;         ///< "--data"
  std::string environment;  ///< the variable that is read if the option is not given; empty if none is
  OptionValue (*value)(ServerSettings&);
  OptionCheck check;         ///< applied if a value is given, to a text if it is not empty
  std::string summary;       ///< one sentence, for --help and the documentation
  std::string details = {};  ///< further sentences, for the documentation only; Markdown
  std::string usually = {};  ///< words for the documentation that replace the default value; may be empty
};

/// Returns the options in the order in which --help and the documentation list them.
const std::vector<Option>& server_options();

/// Returns the values that the option accepts, for --help: "1..1024", "on|off". The text is empty if the option accepts
/// any text, and for flags.
std::string accepted_text(const Option& option);

/// Throws std::runtime_error if a setting is out of its range. The message names the option, the values that it accepts
/// and the value that it was given.
void check_options(const ServerSettings& settings);

/// Returns the table of docs/configuration.md in Markdown.
std::string options_documentation();

}  // namespace vedette
