#!/usr/bin/env bash
# Installs what is missing, builds and tests. On a fresh Debian 12: bash, apt, root or sudo are all it needs.
#   ./test.sh unit         the tests of the modules, the fuzz corpus, formatting and layers: what to run before every commit
#   ./test.sh              all of it: unit, the use of mutexes, and the end-to-end suites with the clients that people use
#   ./test.sh lint         clang-tidy over every source file; formatting, layers and mutexes. Takes long, and is not in `all`
#   ./test.sh arm64        builds the engine and the agent for 64-bit ARM and compares their verdicts, under qemu-user, with those of this machine. Not in `all` either
#   ./test.sh packages     makes the Debian packages, installs them in an empty Debian and uses them there. Needs root. Not in `all` either
#   ./test.sh sanitizers   the unit tests and the API suites with AddressSanitizer and UndefinedBehaviorSanitizer. Not in `all` either
#   ./test.sh hostile      attacks an edge agent with these sanitizers for ten minutes, and kills it while it updates its model. Not in `all` either
set -euo pipefail
cd "$(dirname "$0")"
. tools/build.sh
tier=${1:-all}
cores=$(nproc)
database_packages=(postgresql-15 pgbouncer)

configure_and_build() {  # PRESET TARGET…
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" -j "$cores" --target "${@:2}"
}

fetch_javascript_client() {  # FOLDER
  local client=$1/js-client
  mkdir -p "$client"
  if ! cmp -s tests/end_to_end/js/package.json "$client/package.json"; then
    say "Fetching the AWS SDK for JavaScript"
    rm -rf "$client/node_modules"
    cp tests/end_to_end/js/package.json "$client/"
    (cd "$client" && npm install --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null) || { rm -f "$client/package.json"; exit 1; }
  fi
}

run_tests() {  # FOLDER OPTION…
  say "Testing"
  ctest --test-dir "$1" --output-on-failure --no-tests=error -j "$cores" "${@:2}"
}

case $tier in
  unit)
    install_build_packages
    install_packages python3 clang-format-14 "${database_packages[@]}"
    build unit_tests
    run_tests build/release -L unit
    ;;
  all)
    install_build_packages
    install_packages "${client_packages[@]}" awscli python3-yaml python3-pil python3-numpy python3-torch procps openssl s3cmd rclone strace haproxy iproute2 nftables nginx-light python3-gi gir1.2-aravis-0.8 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good chromium clang-format-14 clang-14 libomp-14-dev python3-grpcio python3-protobuf mosquitto mosquitto-clients python3-paho-mqtt python3-pymodbus python3-serial-asyncio "${database_packages[@]}"
    build
    fetch_javascript_client build/release
    run_tests build/release
    ;;
  lint)
    install_packages "${build_packages[@]}" python3 clang-14 libomp-14-dev clang-format-14 clang-tidy-14
    say "Checking formatting, layers and mutexes"
    configure_and_build lint vedette_vision_onnx vedette_edge_sinks vedette_edge_agent_proto  # for their generated headers
    run_tests build/lint -L lint
    say "clang-tidy over all files"
    # Clang 14 cannot read the headers of LibTorch in C++20 together with GCC's library: the sources that include them are left out.
    run-clang-tidy-14 -quiet -p build/lint -j "$cores" "^$PWD/(src/(?!vision/pretrain/|vision/decoder/train.cpp)|programs/|bench/|tests/)"
    ;;
  arm64)
    install_build_packages
    install_packages "${client_packages[@]}" python3-pil python3-grpcio python3-protobuf debian-archive-keyring dpkg-dev file
    build vedette vedette-trainer
    tools/build_arm64.sh
    say "Testing"
    (cd tests/arm64 && VEDETTE_BUILD=$OLDPWD/build/release /usr/bin/python3 -m unittest -v test_arm64)
    ;;
  packages)
    install_build_packages
    install_packages "${client_packages[@]}" python3-pil python3-grpcio python3-protobuf debootstrap dpkg-dev file systemd
    build
    say "Testing"
    (cd tests/packaging && VEDETTE_BUILD=$OLDPWD/build/release /usr/bin/python3 -W ignore::ResourceWarning -m unittest -v test_empty_root)
    ;;
  sanitizers)
    install_build_packages
    install_packages "${client_packages[@]}" python3-pil openssl mosquitto mosquitto-clients python3-paho-mqtt python3-pymodbus python3-serial-asyncio clang-14 libclang-rt-14-dev libomp-14-dev "${database_packages[@]}"
    configure_and_build asan all
    fetch_javascript_client build/asan
    run_tests build/asan
    ;;
  hostile)
    install_build_packages
    install_packages "${client_packages[@]}" python3-pil python3-grpcio python3-protobuf mosquitto mosquitto-clients python3-paho-mqtt python3-pymodbus python3-serial-asyncio clang-14 libclang-rt-14-dev libomp-14-dev gstreamer1.0-plugins-good
    build vedette vedette-trainer
    configure_and_build asan vedette-edge vedette-edge-camera
    say "Testing"
    # The models come from the ordinary build, since the other one trains none. Freed memory is kept back for long enough to find its use, but
    # not for so long that it looks like growth. Two compilers round differently, so tests that compare verdicts of both builds are left out.
    (cd tests/end_to_end && ASAN_OPTIONS=quarantine_size_mb=32 VEDETTE_HOSTILE_SECONDS=600 VEDETTE_BUILD=$OLDPWD/build/release VEDETTE_EDGE_BUILD=$OLDPWD/build/asan \
      /usr/bin/python3 -W ignore::ResourceWarning -m unittest -v -k hostile -k wrong_requests -k shared_memory -k damaged -k kills_during test_edge test_edge_line)
    ;;
  *)
    echo "Usage: ./test.sh [unit | all | lint | arm64 | packages | sanitizers | hostile]" >&2
    exit 2
    ;;
esac
