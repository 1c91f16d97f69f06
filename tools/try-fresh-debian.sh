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

"$repository/tools/debian_root.sh" "$root"
# The new root's npm has the same settings as this machine's.
for path in /etc/npmrc "$HOME/.npmrc"; do [ -e "$path" ] && cp -a "$path" "$root$path" || true; done
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
