#include "commands.hpp"
namespace vedette { void add_sample(CLI::App&, int&) {} }
