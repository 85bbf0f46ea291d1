#!/bin/bash
# Takes the place of init.sh with --no-isolation: bridge and agent in one process group, on the machine itself. The host
# pauses and resumes the group by signals; the only commands here are `go` and `end`. When the host dies, stdin ends, and
# so does the group.
set -eu
main() {
  local command bridge_words=$1
  shift
  read -r command && [ "$command" = go ] || exit 0
  exec 5<&0
  cd "$SANDBOX_FOLDER/home"
  local socket=$SANDBOX_SOCKETS/bridge.sock enter=$SANDBOX_IMAGE/enter.sh
  await_bridge() {
    while [ ! -S "$socket" ]; do
      kill -0 "$1" 2>/dev/null || { echo "failed to listen on $socket"; exit 70; }
      sleep 0.01
    done
  }
  local bridge=
  if [ "$bridge_words" -gt 0 ]; then
    /bin/bash "$enter" none '' '' "${@:1:bridge_words}" </dev/null >&2 3<&- 4<&- 5<&- &
    bridge=$!
    await_bridge "$bridge"
  fi
  /bin/bash "$enter" none '' '' "${@:bridge_words+1}" <&4 >&2 4<&- 5<&- &
  local agent=$!
  exec 3<&- 4<&-
  [ -n "$bridge" ] || await_bridge "$agent"
  set +e
  while read -r command; do
    [ "$command" != end ] || kill -TERM "$agent"
  done <&5 &
  exec 5<&- 0</dev/null
  echo ready
  wait -n $bridge "$agent" $!
  # As long as this process exists, the id of the group cannot be reused: kill everything that is left in it.
  kill -KILL -- -$$
}
main "$@"
