#!/usr/bin/env bash
# Installs what is missing (Debian packages) and builds into build/release. Sourced by quickstart.sh and test.sh, or run by hand.
# Assumes Debian 12 with bash, apt, and root or sudo. A second run installs and builds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build_packages=(g++ cmake ninja-build ccache mold pkg-config libboost1.81-dev nlohmann-json3-dev libssl-dev libsqlite3-dev libpq-dev
  libjpeg62-turbo-dev libspng-dev libtiff-dev libwebp-dev zlib1g-dev libdnnl-dev libfmt-dev libcli11-dev libre2-dev libzip-dev libpugixml-dev libcurl4-openssl-dev libeigen3-dev libgpiod-dev libaravis-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libtorch-dev libopenblas0-pthread libprotobuf-dev protobuf-compiler libgtest-dev libgrpc++-dev protobuf-compiler-grpc libmosquitto-dev)
client_packages=(python3 python3-boto3)

say() { printf '\033[1m== %s\033[0m\n' "$*"; }

install_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Missing packages: ${missing[*]}. Install them as root, or install sudo." >&2; exit 1; }
    as_root=(sudo)
  fi
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Installs what the build needs. Node may come from elsewhere.
install_build_packages() {
  install_packages "${build_packages[@]}"
  command -v node >/dev/null || install_packages nodejs
  command -v npm >/dev/null || install_packages npm
}

# build [TARGET…] builds these targets, or everything if none is named. CI treats warnings as errors, but the compilers of users may know
# more warnings than ours.
build() {
  # Each compiler may take 1.5 GB, so there are fewer jobs than cores where memory is short.
  local cores memory_gb jobs
  cores=$(nproc)
  memory_gb=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  jobs=$((memory_gb < cores ? (memory_gb > 0 ? memory_gb : 1) : cores))
  if [ ! -f build/release/build.ninja ]; then
    say "Configuring"
    mkdir -p build/release
    cmake --preset release ${CI:+-DVEDETTE_WARNINGS_AS_ERRORS=ON} >build/release/configure.log || { cat build/release/configure.log >&2; exit 1; }
  fi
  say "Building with $jobs jobs"
  cmake --build --preset release -j "$jobs" ${1:+--target "$@"}
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  install_build_packages
  build "$@"
fi
