# What the scripts of this folder share: programs, registries, pushes, figures. Sourced, with `work` being their folder.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
eval "$(tests/lab/components --env)"
bin=${MIGRATE_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/migrate-lab}/bin
work=$(mktemp -d)
declare -A pid=()

# Ends everything that was started, and removes its folder.
cleanup() {
  local name
  for name in "${!pid[@]}"; do kill "${pid[$name]}" 2>/dev/null || :; done
  # Only these: what keeps the results ends after us.
  [ ${#pid[@]} = 0 ] || wait "${pid[@]}" 2>/dev/null || :
  rm -rf "$work"
}

need() { # COMPONENT...
  local program
  for program; do
    [ -x "$bin/$program" ] || { echo "$program is missing: tests/lab/components $program" >&2; exit 1; }
  done
}

# The program that is measured: $MIGRATE, else a release build.
release() { # VARIABLE PROGRAM CARGO_ARGUMENTS...
  local variable=$1 program=$2
  shift 2
  if [ -z "${!variable:-}" ]; then
    cargo build --release --quiet --locked "$@"
    printf -v "$variable" %s "target/release/$program"
  fi
}

# Everything that is printed from here on goes into a file as well: the only way results get there.
record_in() { # FILE
  mkdir -p "$(dirname "$1")"
  exec > >(tee "$1")
  echo "$(basename "$0") on $(date --utc +%Y-%m-%d) at $(git rev-parse --short HEAD), $(nproc) cores, $(uname -sr), load $(cut -d ' ' -f 1-3 /proc/loadavg)"
}

# Settings of a registry on a port; its log has a line for each request when it is asked for.
registry_settings() { # NAME PORT [on] [EVENTS_URL]
  local log=true
  [ "${3:-}" != on ] || log=false
  cat >"$work/$1.yml" <<YAML
version: 0.1
log: {level: error, accesslog: {disabled: $log}}
storage: {filesystem: {rootdirectory: $work/$1}, delete: {enabled: true}}
http: {addr: 127.0.0.1:$2, secret: bench}
YAML
  [ -z "${4:-}" ] || cat >>"$work/$1.yml" <<YAML
notifications: {endpoints: [{name: presync, url: '$4', timeout: 1s, threshold: 5, backoff: 1s, ignoredmediatypes: [application/octet-stream], ignore: {actions: [pull]}}]}
YAML
}

start_registry() { # NAME PORT
  OTEL_TRACES_EXPORTER=none "$bin/${registry:-docker-registry}" serve "$work/$1.yml" >>"$work/$1.log" 2>&1 &
  pid[$1]=$!
  until curl -s -o /dev/null "127.0.0.1:$2/v2/"; do sleep 0.02; done
}

# An image of one layer with random bytes; fails if the registry does not take it.
push() { # IMAGE BYTES
  head -c "$2" /dev/urandom >"$work/content"
  tar -C "$work" -cf "$work/layer.tar" content
  "$bin/crane" append -f "$work/layer.tar" -t "$1" >/dev/null 2>&1
}

# A figure of `/metrics`, the sum of its lines.
figure() { # STATUS_PORT NAME
  curl -s "127.0.0.1:$1/metrics" | awk -v name="$2" 'index($1, name) == 1 { n += $2 } END { print n + 0 }'
}

until_ready() { # STATUS_PORT
  until curl -sf "127.0.0.1:$1/readyz" >/dev/null; do sleep 0.05; done
}

until_empty() { # STATUS_PORT
  until [ "$(curl -s "127.0.0.1:$1/metrics" | awk '/^migrate_images_queue_jobs/ { n += $2; seen = 1 } END { print seen ? n : "?" }')" = 0 ]; do sleep 0.02; done
}
