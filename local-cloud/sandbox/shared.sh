#!/bin/bash
# The stand-in for init.sh with --no-isolation: bridge and agent in one process group, on the machine itself. The host
# signals the group; here only `go` and `end` are words. When stdin ends, the host is gone and the group ends.
set -eu
main() {
  local word bridge_words=$1
  shift
  read -r word && [ "$word" = go ] || exit 0
  exec 5<&0
  cd "$SANDBOX_FOLDER/home"
  local socket=$SANDBOX_SOCKETS/bridge.sock enter=$SANDBOX_IMAGE/enter.sh
  for_bridge() {
    while [ ! -S "$socket" ]; do
      kill -0 "$1" 2>/dev/null || { echo "failed to listen on $socket"; exit 70; }
      sleep 0.01
    done
  }
  local bridge=
  if [ "$bridge_words" -gt 0 ]; then
    /bin/bash "$enter" none '' '' "${@:1:bridge_words}" </dev/null >&2 3<&- 4<&- 5<&- &
    bridge=$!
    for_bridge "$bridge"
  fi
  /bin/bash "$enter" none '' '' "${@:bridge_words+1}" <&4 >&2 4<&- 5<&- &
  local agent=$!
  exec 3<&- 4<&-
  [ -n "$bridge" ] || for_bridge "$agent"
  set +e
  while read -r word; do
    [ "$word" != end ] || kill -TERM "$agent"
  done <&5 &
  exec 5<&- 0</dev/null
  echo ready
  wait -n $bridge "$agent" $!
  # While this process lives the group's number is its own: whatever is left in it ends here.
  kill -KILL -- -$$
}
main "$@"
