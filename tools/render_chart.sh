#!/usr/bin/env bash
# Renders the Helm chart with its default values into packaging/kubernetes/vedette.yaml, for those who have no Helm. With --check it compares instead.
# More values can be given as files: tools/render_chart.sh --print VALUES.yaml… writes to standard output. Needs the Go compiler and two libraries, which it installs.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/build.sh
install_packages golang-go golang-github-masterminds-sprig-dev golang-gopkg-yaml.v3-dev
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
render() { GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode GOCACHE=$folder/cache go run tests/packaging/render_chart.go vedette packaging/helm/vedette "$@"; }
mode=${1:-}
case $mode in
  --print) render "${@:2}" ;;
  --check) render | diff -u packaging/kubernetes/vedette.yaml <(echo "# tools/render_chart.sh made this file from the Helm chart packaging/helm/vedette."; cat) ;;
  "") { echo "# tools/render_chart.sh made this file from the Helm chart packaging/helm/vedette."; render; } >"$folder/out" && mkdir -p packaging/kubernetes && cp "$folder/out" packaging/kubernetes/vedette.yaml ;;
  *) echo "usage: tools/render_chart.sh [--check | --print VALUES.yaml…]" >&2; exit 2 ;;
esac
