#!/usr/bin/env bash
# Builds the engine, vedette-edge and vedette-edge-camera for 64-bit ARM with Debian's cross compiler into build/arm64, the C example of
# docs/examples/engine-c with the engine, and the Debian packages (build/arm64/*.deb). The libraries come from Debian's arm64 packages in a folder of
# their own (build/arm64/sysroot): the packages of this machine stay as they are, except that the tools are installed if they are missing.
#   tools/build_arm64.sh                      builds
#   tools/build_arm64.sh MODEL_DIR PICTURE    builds, and judges the picture under qemu-user
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/build.sh
out=$PWD/build/arm64
sysroot=$out/sysroot
libraries=(libc6-dev libstdc++-12-dev libgomp1 libjpeg62-turbo-dev libspng-dev libtiff-dev libwebp-dev zlib1g-dev libdnnl-dev libfmt-dev libzip-dev
  nlohmann-json3-dev libssl-dev libcli11-dev libcurl4-openssl-dev libgrpc++-dev libprotobuf-dev libmosquitto-dev libgpiod-dev libaravis-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev)

# Writes down whose files those of a package are, as dpkg does when it installs one, so that dpkg-shlibdeps finds out which packages a program needs.
record_package() {
  local database=$sysroot/var/lib/dpkg name file
  if [ ! -e "$database/status" ]; then
    mkdir -p "$database/info"
    echo 1 >"$database/info/format"
    printf '%s\n' "$(dpkg --print-architecture)" arm64 >"$database/arch"
  fi
  name=$(dpkg-deb --field "$1" Package)
  if [ "$(dpkg-deb --field "$1" Multi-Arch)" = same ]; then name+=:arm64; fi
  { dpkg-deb --field "$1"; printf 'Status: install ok installed\n\n'; } >>"$database/status"
  dpkg-deb --fsys-tarfile "$1" | tar -t | sed "s|^\.|$sysroot|; s|/\$||" >"$database/info/$name.list"
  for file in symbols shlibs; do
    dpkg-deb --info "$1" "$file" >"$database/info/$name.$file" 2>/dev/null || rm "$database/info/$name.$file"
  done
}

make_sysroot() {
  local apt=$out/apt options release mirror link target
  [ "$(cat "$sysroot/packages" 2>/dev/null)" = "${libraries[*]}" ] && return
  say "Fetching Debian's arm64 packages"
  rm -rf "$sysroot" "$apt"
  mkdir -p "$sysroot" "$apt/lists/partial" "$apt/cache/archives/partial"
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" 'Label: Debian' | head -n 1)}
  echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$apt/sources.list"
  # apt works in folders of its own and believes that nothing is installed, so that it names all packages that the libraries need.
  options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=false -o Dir::State="$apt" -o Dir::State::status=/dev/null
    -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Debug::NoLocking=1
    -o APT::Sandbox::User="$(id -un)")
  apt-get "${options[@]}" update
  apt-get "${options[@]}" -y --download-only install "${libraries[@]}" >/dev/null
  for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$sysroot"
    record_package "$package"
  done
  # Links to /lib would lead to this machine's libraries.
  find "$sysroot" -type l -lname '/*' | while read -r link; do
    target=$sysroot$(readlink "$link")
    if [ -e "$target" ]; then ln -sfnr "$target" "$link"; fi
  done
  rm -rf "$apt"
  echo "${libraries[*]}" >"$sysroot/packages"
}

install_packages cmake ninja-build pkg-config crossbuild-essential-arm64 qemu-user-static protobuf-compiler protobuf-compiler-grpc dpkg-dev file
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
rm -f "$out"/*.deb
(cd "$out" && DEB_HOST_ARCH=arm64 DPKG_ADMINDIR=$sysroot/var/lib/dpkg cpack >cpack.log) || { cat "$out/cpack.log" >&2; exit 1; }
if [ $# -eq 2 ]; then
  # A core that small boards have; qemu's own default has instructions that they lack.
  qemu-aarch64-static -cpu cortex-a72 -L "$sysroot" "$out/example/judge" "$@"
fi
