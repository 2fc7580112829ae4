#!/bin/sh
# mosquitto.sh FOLDER CONF: Mosquitto, told within two seconds when the accounts in FOLDER have changed.
set -eu
folder=$1
sum() { cat "$folder/passwords" "$folder/acl" | cksum; }

seen=$(sum)
mosquitto -c "$2" &
broker=$!
while sleep 2; do
  now=$(sum)
  if [ "$now" != "$seen" ]; then
    kill -HUP "$broker"
    seen=$now
  fi
done &
watcher=$!
trap 'kill "$broker"; wait "$broker"; kill "$watcher"; exit 0' TERM INT
wait "$broker" || true
kill "$watcher"
exit 1 # nobody asked for it
