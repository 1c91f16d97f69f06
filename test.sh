#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. On a fresh Debian 12: bash, apt, root or sudo are all it needs.
set -euo pipefail
cd "$(dirname "$0")"
. tools/build.sh
install_packages "${build_packages[@]}" "${client_packages[@]}" awscli python3-pil python3-numpy python3-torch procps openssl s3cmd rclone strace haproxy nginx-light
# Node may come from elsewhere.
command -v node >/dev/null || install_packages nodejs
command -v npm >/dev/null || install_packages npm
build
mkdir -p build/release/js-client
if ! cmp -s tests/end_to_end/js/package.json build/release/js-client/package.json; then
  say "Fetching the AWS SDK for JavaScript"
  rm -rf build/release/js-client/node_modules
  cp tests/end_to_end/js/package.json build/release/js-client/
  (cd build/release/js-client && npm install --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null) || { rm -f build/release/js-client/package.json; exit 1; }
fi
say "Testing"
ctest --test-dir build/release --output-on-failure --no-tests=error -j 2
