#include "vision/verdict/tiny_model.hpp"

#include <cstdio>

/// write_tiny_model FOLDER: writes a model whose verdicts cost next to nothing, for suites that are about anything else.
int main(int count, char** words) {
  if (count != 2) return 2;
  const auto written = vedette::write_tiny_model(words[1], 0.6);
  if (!written) std::fprintf(stderr, "%s\n", written.error().message.c_str());
  return written ? 0 : 1;
}
