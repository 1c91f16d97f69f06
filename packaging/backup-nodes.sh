#!/usr/bin/env bash
# Backs up an installation of several nodes, which keeps its metadata in PostgreSQL and its objects in an S3 service, while it runs, and
# brings it back as it was at any moment since. docs/postgresql.md (Back up and restore) explains it.
#
#   backup-nodes.sh backup DIR              copies the database into DIR/base/TIME, and then what is new of the objects into DIR/objects
#   backup-nodes.sh restore DIR PGDATA TIME makes the database folder PGDATA from the newest copy before TIME and the WAL in DIR/wal
#
# The environment says what is backed up, as for vedette serve: VEDETTE_METADATA, VEDETTE_OBJECTS, VEDETTE_OBJECTS_ENDPOINT, AWS_ACCESS_KEY_ID and
# AWS_SECRET_ACCESS_KEY. VEDETTE_BUCKETS names the buckets with pictures and results, separated by spaces. The role in VEDETTE_METADATA needs
# the right REPLICATION. TIME is a time as PostgreSQL reads it, such as '2026-11-28 14:05:00+01'.
set -euo pipefail
export LC_ALL=C  # names are compared by their bytes

fail() { echo "backup-nodes.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is not installed, or not in PATH (Debian keeps PostgreSQL's programs in /usr/lib/postgresql/15/bin)"; }

backup() {
  local dir=$1 copy buckets=() bucket
  : "${VEDETTE_METADATA:?says which database is backed up}" "${VEDETTE_OBJECTS:?says where the objects are}"
  need pg_basebackup; need pg_verifybackup; need vedette
  mkdir -p "$dir/base" "$dir/wal"
  # The database comes first: whatever it names was stored before, so that the objects that are copied afterwards hold it.
  copy=$(mktemp -d "$dir/base/unfinished.XXXXXX")
  # The parameter `schema` is no one of libpq's.
  pg_basebackup --dbname="$(sed -E 's/([?&])schema=[^&]*(&|$)/\1/; s/[?&]$//' <<<"$VEDETTE_METADATA")" --pgdata="$copy" --wal-method=stream --checkpoint=fast
  pg_verifybackup --quiet "$copy"
  sync
  mv --no-target-directory "$copy" "$dir/base/$(date --utc +%Y%m%dT%H%M%SZ)"
  # Nothing is removed from the copy of the objects, so that it also serves earlier moments.
  for bucket in ${VEDETTE_BUCKETS:-}; do buckets+=(--bucket "$bucket"); done
  vedette objects copy --from "$VEDETTE_OBJECTS" --to "$dir" "${buckets[@]}"
}

restore() {
  local dir=$1 data=$2 time=$3 wanted copy='' name
  [ ! -e "$data" ] || [ -z "$(ls -A "$data")" ] || fail "$data is not empty"
  wanted=$(date --utc --date="$time" +%Y%m%dT%H%M%SZ) || fail "$time is no time"
  for name in "$dir"/base/[0-9]*Z; do
    name=${name##*/}
    # A copy leads only to moments after its own end, which its name says to the second.
    if [[ -d $dir/base/$name && $name < $wanted ]]; then copy=$name; fi
  done
  [ -n "$copy" ] || fail "there is no copy of the database in $dir/base from before $time"
  mkdir -p "$data"
  cp -a "$dir/base/$copy/." "$data/"
  chmod 700 "$data"
  cat >>"$data/postgresql.auto.conf" <<SETTINGS
restore_command = 'cp "$(realpath "$dir")/wal/%f" "%p"'
recovery_target_time = '$time'
recovery_target_action = 'promote'
archive_mode = 'off'  # so that a drill cannot write into the archive of the real database
SETTINGS
  touch "$data/recovery.signal"
  echo "$data holds the copy of $copy. Give it to PostgreSQL's user and start PostgreSQL on it; it then goes on to $time. It archives nothing until archive_mode is removed from postgresql.auto.conf."
}

case "${1:-} $#" in
  "backup 2") backup "$2" ;;
  "restore 4") restore "$2" "$3" "$4" ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
