#!/usr/bin/env bash
# Makes an empty Debian 12 root (debootstrap), clones the committed state into it, runs quickstart.sh --exit and test.sh there, each
# twice, and prints how many minutes each took. It needs root and the package debootstrap.
#   tools/try-fresh-debian.sh [ROOT]     ROOT defaults to a temporary folder, removed at the end
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
root=${1:-$(mktemp -d)}
keep=${1:+yes}
cleanup() {
  for mount in proc dev/pts dev sys; do mountpoint -q "$root/$mount" && umount -l "$root/$mount" || true; done
  [ -n "$keep" ] || rm -rf "$root"
}
trap cleanup EXIT

if [ ! -x "$root/bin/bash" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
  debootstrap --variant=minbase bookworm "$root" "$mirror" >/dev/null
  # The new root's apt uses the same sources, keys and proxies as this machine's.
  for path in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d; do
    [ -e "$path" ] && cp -a "$path" "$root/etc/apt/" || true
  done
fi
# The new root's npm has the same settings as this machine's.
for path in /etc/npmrc "$HOME/.npmrc"; do [ -e "$path" ] && cp -a "$path" "$root$path" || true; done
cp /etc/resolv.conf "$root/etc/resolv.conf"
[ -e /etc/hosts ] && cp /etc/hosts "$root/etc/hosts"
[ -d /usr/local/share/ca-certificates ] && mkdir -p "$root/usr/local/share" "$root/etc/ssl" && cp -a /etc/ssl/certs "$root/etc/ssl/" &&
  cp -a /usr/local/share/ca-certificates "$root/usr/local/share/" || true
for mount in proc sys dev dev/pts; do mountpoint -q "$root/$mount" || mount --bind "/$mount" "$root/$mount"; done

rm -rf "$root/home/vedette"
git clone -q "$repository" "$root/home/vedette"
# Only some checkouts have these pictures beside them.
[ -d "$repository/../shared/data" ] && mkdir -p "$root/home/shared" && cp -a "$repository/../shared/data" "$root/home/shared/" || true

run() {
  local start=$SECONDS
  echo "---- $* ----"
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} \
    chroot "$root" bash -c "cd /home/vedette && $*"
  echo "---- $*: $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s ----"
}
run ./quickstart.sh --exit
run ./quickstart.sh --exit
run ./test.sh
run ./test.sh
