#!/bin/sh
# Do one step of the maintenance on the host that the payload names: act.sh STEP PAYLOAD.
# It is as act.py, in another language: a task is any program.
name=$(printf '%s' "$2" | sed -n 's/.*"host":{"name":"\([^"]*\)".*/\1/p')
address=$(printf '%s' "$2" | sed -n 's/.*"address":"\([^"]*\)".*/\1/p')
exec busybox wget -q -O - --post-data '' "$address/$name/$1"
