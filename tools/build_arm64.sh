#!/usr/bin/env bash
# Builds the engine and vedette-edge for 64-bit ARM with Debian's cross compiler into build/arm64, and the C example of docs/examples/engine-c with
# the engine. The libraries come from Debian's arm64 packages in a folder of their own
# (build/arm64/sysroot): the packages of this machine stay as they are, except that the cross compiler and qemu are installed if they are missing.
#   tools/build_arm64.sh                      builds
#   tools/build_arm64.sh MODEL_DIR PICTURE    builds, and judges the picture under qemu-user
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/build.sh
out=$PWD/build/arm64
sysroot=$out/sysroot
libraries=(libc6-dev libstdc++-12-dev libgomp1 libjpeg62-turbo-dev libspng-dev libtiff-dev libwebp-dev zlib1g-dev libdnnl-dev libfmt-dev libzip-dev
  nlohmann-json3-dev libssl-dev libcli11-dev libcurl4-openssl-dev libgrpc++-dev libprotobuf-dev libmosquitto-dev libgpiod-dev)

make_sysroot() {
  local apt=$out/apt options release link target
  [ "$(cat "$sysroot/packages" 2>/dev/null)" = "${libraries[*]}" ] && return
  say "Fetching Debian's arm64 packages"
  rm -rf "$sysroot" "$apt"
  mkdir -p "$sysroot" "$apt/lists/partial" "$apt/cache/archives/partial"
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${DEBIAN_MIRROR:-http://deb.debian.org/debian} $release main" >"$apt/sources.list"
  # apt works in folders of its own and believes that nothing is installed, so that it names all packages that the libraries need.
  options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=false -o Dir::State="$apt" -o Dir::State::status=/dev/null
    -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Debug::NoLocking=1
    -o APT::Sandbox::User="$(id -un)")
  apt-get "${options[@]}" update
  apt-get "${options[@]}" -y --download-only install "${libraries[@]}" >/dev/null
  for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$sysroot"; done
  # Links to /lib would lead to this machine's libraries.
  find "$sysroot" -type l -lname '/*' | while read -r link; do
    target=$sysroot$(readlink "$link")
    if [ -e "$target" ]; then ln -sfnr "$target" "$link"; fi
  done
  rm -rf "$apt"
  echo "${libraries[*]}" >"$sysroot/packages"
}

install_packages cmake ninja-build pkg-config crossbuild-essential-arm64 qemu-user-static protobuf-compiler protobuf-compiler-grpc
make_sysroot
say "Building for arm64"
toolchain=(-G Ninja -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64.cmake" -DVEDETTE_SYSROOT="$sysroot" -DCMAKE_BUILD_TYPE=Release)
cmake -S . -B "$out" "${toolchain[@]}" -DCMAKE_CXX_FLAGS_RELEASE="-O2 -g1" -DVEDETTE_SERVER=OFF -DBUILD_TESTING=OFF \
  -DVEDETTE_WARNINGS_AS_ERRORS=ON >"$out/configure.log" || { cat "$out/configure.log" >&2; exit 1; }
cmake --build "$out" -j "$(nproc)"
cmake --install "$out" --prefix "$out/installed" --component engine >/dev/null
cmake --install "$out" --prefix "$out/installed" --component engine-dev >/dev/null
cmake -S docs/examples/engine-c -B "$out/example" "${toolchain[@]}" -DVedette_DIR="$out/installed/lib/cmake/Vedette" \
  -DCMAKE_EXE_LINKER_FLAGS="-Wl,--allow-shlib-undefined" >/dev/null
cmake --build "$out/example" >/dev/null
if [ $# -eq 2 ]; then
  # A core that small boards have; qemu's own default has instructions that they lack.
  qemu-aarch64-static -cpu cortex-a72 -L "$sysroot" "$out/example/judge" "$@"
fi
