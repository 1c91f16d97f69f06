#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. On a fresh Debian 12: bash, apt, root or sudo are all it needs.
set -euo pipefail
cd "$(dirname "$0")"
. tools/build.sh
install_packages "${build_packages[@]}" "${client_packages[@]}" awscli python3-pil procps
build
say "Testing"
ctest --test-dir build/release --output-on-failure --no-tests=error -j 2
