#!/usr/bin/env bash
# rclone 1.60.1 (Debian 12, rclone 1.60.1+dfsg-2+b5)
#
# Expected: the variable AWS_CA_BUNDLE, which boto3 and the AWS CLI need for a server whose certificate a private authority signed, is
# either used or ignored by rclone, and does nothing where the address is one of plain HTTP.
# Seen: while it is set, rclone reaches no S3 service at all, not even over plain HTTP: "LoadCustomCABundleError: unable to load custom CA
# bundle, HTTPClient's transport unsupported type, caused by: unsupported transport, *fshttp.Transport". It hands a transport of its own to
# the AWS SDK for Go, which can put the bundle only into the one of Go's standard library. Without the variable the same command gets as
# far as the connection.
# What it means for Vedette: whoever uses rclone and boto3 with one private authority gives rclone --ca-cert and unsets the variable for it
# (docs/s3.md).
#
# This script ends with 0 as long as rclone behaves so. It needs apt, dpkg and ca-certificates.
set -euo pipefail
version=1.60.1+dfsg-2+b5
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq "rclone=$version" >/dev/null 2>&1
dpkg -x rclone_*.deb package
bundle=/etc/ssl/certs/ca-certificates.crt
[ -s "$bundle" ] || { echo "This needs the package ca-certificates." >&2; exit 2; }

export RCLONE_CONFIG=$folder/none.conf
list() {  # Port 9 of this machine: nobody listens there.
  "$@" package/usr/bin/rclone lsd --retries 1 --low-level-retries 1 --contimeout 5s \
    ":s3,provider=Other,endpoint='http://127.0.0.1:9',access_key_id=key,secret_access_key=secret,region=us-east-1:" 2>&1 || true
}
with=$(list env "AWS_CA_BUNDLE=$bundle")
without=$(list env -u AWS_CA_BUNDLE)
echo "with AWS_CA_BUNDLE:    $(grep -o 'LoadCustomCABundleError[^,]*' <<<"$with" | head -1)"
echo "without AWS_CA_BUNDLE: $(grep -o 'connection refused' <<<"$without" | head -1)"
grep -q LoadCustomCABundleError <<<"$with" && ! grep -q LoadCustomCABundleError <<<"$without" && grep -q 'connection refused' <<<"$without" ||
  { echo "rclone $version behaves otherwise now." >&2; exit 1; }
