#include "server/options.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>
#include <stdexcept>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

std::string refusal(const ServerSettings& settings) {
  try {
    check_options(settings);
    return "";
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

TEST(Options, TheDefaultsAreWithinTheirRanges) {
  EXPECT_EQ(refusal(ServerSettings()), "");
}

TEST(Options, ValuesOutsideTheirRangesAreNamed) {
  ServerSettings settings;
  settings.longest_wait_seconds = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(refusal(settings), "--longest-wait wants 0..60, not nan");
  settings = {};
  settings.false_alarms = 1;
  EXPECT_EQ(refusal(settings), "--false-alarms wants 2..1000000, not 1");
  settings = {};
  settings.accept_loss = {"index", "everything"};
  EXPECT_EQ(refusal(settings), "--accept-loss wants metadata|index|master-key, not everything");
  settings = {};
  settings.trainer_sandbox = "";
  EXPECT_EQ(refusal(settings), "--trainer-sandbox wants on|off, not ");
  settings = {};
  settings.backbone = "/nowhere/net.onnx";
  EXPECT_EQ(refusal(settings), "--backbone wants FILE, not /nowhere/net.onnx");
}

TEST(Options, EachHasANameOfItsOwnAndASentence) {
  std::set<std::string> names;
  for (const auto& option : server_options()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    if (!option.environment.empty()) {
      EXPECT_TRUE(names.insert(option.environment).second) << option.environment;
    }
    EXPECT_TRUE(option.summary.ends_with('.')) << option.name;
    EXPECT_TRUE(option.details.empty() || option.details.ends_with('.')) << option.name;
  }
}

// docs/configuration.md holds the table between its heading and the first empty line after it. To write the table into
// that file anew, run this test with VEDETTE_WRITE_DOCS=1.
TEST(Options, TheDocumentationIsTheTable) {
  const auto bytes = read_file(VEDETTE_OPTIONS_PAGE, 1 << 20);
  ASSERT_TRUE(bytes);
  std::string page(as_text(*bytes));
  const auto begin = page.find("| option |");
  ASSERT_NE(begin, std::string::npos);
  const auto end = page.find("\n\n", begin) + 1;
  if (std::getenv("VEDETTE_WRITE_DOCS") != nullptr) {
    ASSERT_TRUE(write_file_atomically(VEDETTE_OPTIONS_PAGE,
                                      page.substr(0, begin) + options_documentation() + page.substr(end)));
  } else {
    EXPECT_EQ(page.substr(begin, end - begin), options_documentation());
  }
}

}  // namespace
}  // namespace vedette
