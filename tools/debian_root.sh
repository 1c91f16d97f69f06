#!/usr/bin/env bash
# Makes an empty Debian 12 in a folder (debootstrap), whose apt uses the same sources, keys and proxies as this machine's. It needs root and the
# package debootstrap. A folder that holds a Debian already is left as it is.
#   tools/debian_root.sh ROOT
set -euo pipefail
root=$1
[ -x "$root/bin/bash" ] && exit
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Label: Debian' | head -n 1)
debootstrap --variant=minbase bookworm "$root" "$mirror" >/dev/null
for path in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d; do
  if [ -e "$path" ]; then cp -a "$path" "$root/etc/apt/"; fi
done
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
if [ -d /usr/local/share/ca-certificates ]; then
  mkdir -p "$root/usr/local/share" "$root/etc/ssl"
  cp -a /etc/ssl/certs "$root/etc/ssl/"
  cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
fi
