#!/usr/bin/env bash
# Runs the main job and the fault tests with objects in Ceph: starts a small cluster (one monitor, one OSD in memory, one radosgw) in a
# temporary folder, runs tests/end_to_end/test_other_s3.py against it, and takes everything down. It needs root, 3 GB of memory and a build.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/build.sh
install_packages ceph-mon ceph-osd ceph-mgr radosgw ceph-common uuid-runtime "${client_packages[@]}" python3-pil

folder=$(mktemp -d -t try-ceph-XXXXXX)
chmod 755 "$folder"
mkdir -p "$folder"/{mon,osd,mgr,rgw,run,log}
pids=()
take_down() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap take_down EXIT

fsid=$(uuidgen) mon_port=40789 rgw_port=40480
cat >"$folder/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon_port/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
run dir = $folder/run
pid file = $folder/run/\$name.pid
admin socket = $folder/run/\$name.asok
log file = $folder/log/\$name.log
keyring = $folder/\$name.keyring
mon data = $folder/mon
osd data = $folder/osd
mgr data = $folder/mgr
rgw data = $folder/rgw
CONF
export CEPH_CONF="$folder/ceph.conf"

say "Starting the monitor"
monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port/0]" "$folder/monmap" >/dev/null
admin="$folder/client.admin.keyring"
ceph-authtool --create-keyring "$admin" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool --create-keyring "$folder/mon.keyring" --gen-key -n mon. --cap mon 'allow *' --import-keyring "$admin" >/dev/null
ceph-mon -c "$CEPH_CONF" --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/mon.keyring"
ceph-mon -c "$CEPH_CONF" -f -i a >"$folder/log/mon.out" 2>&1 &
pids+=($!)
timeout 60 ceph -s >/dev/null

say "Starting the manager and the OSD"
ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' -o "$folder/mgr.x.keyring"
ceph-mgr -c "$CEPH_CONF" -f -i x >"$folder/log/mgr.out" 2>&1 &
pids+=($!)
osd=$(uuidgen)
ceph-authtool --create-keyring "$folder/osd.0.keyring" --gen-key -n osd.0 >/dev/null
printf '{"cephx_secret": "%s"}' "$(ceph-authtool -p -n osd.0 "$folder/osd.0.keyring")" | ceph osd new "$osd" -i - >/dev/null
ceph-osd -c "$CEPH_CONF" -i 0 --mkfs --osd-uuid "$osd" >"$folder/log/osd.out" 2>&1
ceph-osd -c "$CEPH_CONF" -f -i 0 >>"$folder/log/osd.out" 2>&1 &
pids+=($!)
for _ in $(seq 60); do ceph osd stat 2>/dev/null | grep -q '1 up' && break; sleep 1; done

say "Starting radosgw"
ceph auth get-or-create client.rgw mon 'allow rw' osd 'allow rwx' mgr 'allow rw' -o "$folder/client.rgw.keyring"
radosgw -c "$CEPH_CONF" -f -n client.rgw --keyring "$folder/client.rgw.keyring" --rgw-frontends="beast endpoint=127.0.0.1:$rgw_port" >"$folder/log/rgw.out" 2>&1 &
pids+=($!)
for _ in $(seq 120); do curl -s -o "$folder/answer" "http://127.0.0.1:$rgw_port/" && break; sleep 1; done
radosgw-admin user create --uid=vedette --display-name=vedette --access-key=CEPHKEY --secret-key=CEPHSECRET >/dev/null
ceph --version

say "Testing"
cd tests/end_to_end
VEDETTE_OTHER_S3="http://127.0.0.1:$rgw_port" AWS_ACCESS_KEY_ID=CEPHKEY AWS_SECRET_ACCESS_KEY=CEPHSECRET \
  /usr/bin/python3 -W ignore -m unittest -v test_other_s3
