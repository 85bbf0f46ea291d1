#!/bin/bash
# PID 1 of a sandbox, run by sandboxes.ts under `unshare`. It builds the root that the sandbox sees, starts the port
# bridge and the agent in it, and then takes words from the host on stdin: pause, resume, end. It answers on stdout.
# When it ends, by itself or killed, the kernel ends everything in its PID namespace; when the host dies, its stdin ends.
#
# Arguments: the number of words of the bridge's command (0: the agent is its own bridge), that command, the agent's.
# Environment: SANDBOX_WAY root|user, SANDBOX_FOLDER, SANDBOX_SOCKETS (host folder of the bridge's socket),
# SANDBOX_IMAGE (files of image/), SANDBOX_VISIBLE and SANDBOX_HIDDEN (paths, one a line), SANDBOX_UID_BASE (way root),
# SANDBOX_PROCESSES and SANDBOX_DATA_KIB (rlimits, empty where a cgroup does it). fd 3: the agent's environment. fd 4: its stdin.

set -Eeu
# Sandboxes have users of their own, who must get through the folders made here, whatever the host's umask.
umask 022
trap 'echo "failed $BASH_COMMAND"' ERR
# Below, `kill -1` means every process there is: only ever in a PID namespace of our own.
[ $$ = 1 ] || { echo 'failed to be PID 1'; exit 70; }

new=$SANDBOX_FOLDER/root

# What is bound must not be writable, submounts included: without root, this process' user owns some of it. A locked flag
# (nodev, nosuid) must be said again, or a user namespace may not remount.
read_only() {
  findmnt -Rrno TARGET,VFS-OPTIONS --mountpoint "$1" | while read -r target options; do
    mount -o "remount,bind,ro,${options#r[ow],}" "$(printf %b "$target")"
  done
}

show() { # a path of the machine, at the same place
  [ -e "$1" ] && [ ! -e "$new$1" ] || return 0
  if [ -d "$1" ]; then mkdir -p "$new$1"; else mkdir -p "$new$(dirname "$1")"; : >"$new$1"; fi
  mount --rbind "$1" "$new$1"
  read_only "$new$1"
}

own() { # a folder or file of this sandbox
  [ ! -e "$new$2" ] || { mount --bind "$1" "$new$2"; }
}

build_root() {
  mount -t tmpfs -o mode=755,size=16m sandbox "$new"
  [ -z "$SANDBOX_UID_BASE" ] || chown "$SANDBOX_UID_BASE:$SANDBOX_UID_BASE" "$new"
  for top in /usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc; do
    if [ -L "$top" ]; then cp -P "$top" "$new$top"; else show "$top"; fi
  done
  mkdir -p "$new"/{proc,dev/pts,dev/shm,tmp,run/bridge,var/tmp,home/user,root,opt/sandbox/bin}
  mount -t proc -o nosuid,nodev,noexec proc "$new/proc"
  for device in null zero full random urandom tty; do
    : >"$new/dev/$device"
    mount --bind "/dev/$device" "$new/dev/$device"
  done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$new/dev/pts"
  mount -t tmpfs -o mode=1777,size=64m shm "$new/dev/shm"
  ln -s pts/ptmx "$new/dev/ptmx"
  ln -s /proc/self/fd "$new/dev/fd"
  for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "$new/dev/${stream#*:}"; done

  own "$SANDBOX_FOLDER/home" /home/user
  own "$SANDBOX_FOLDER/root-home" /root
  own "$SANDBOX_FOLDER/tmp" /tmp
  # Not a link: what is shown below it would be made in the /tmp of the machine.
  own "$SANDBOX_FOLDER/tmp" /var/tmp
  local path
  while read -r path; do [ -z "$path" ] || show "$path"; done <<<"$SANDBOX_VISIBLE"
  while read -r path; do
    [ -z "$path" ] || [ ! -d "$new$path" ] || mount -t tmpfs -o ro,mode=0,size=4k hidden "$new$path"
  done <<<"$SANDBOX_HIDDEN"

  own "$SANDBOX_SOCKETS" /run/bridge
  # Copied: a checkout may be readable for its owner alone, who is somebody else to the sandbox's users.
  mkdir "$new/opt/sandbox/etc"
  for file in passwd group hosts hostname profile; do
    cat "$SANDBOX_IMAGE/$file" >"$new/opt/sandbox/etc/$file"
    own "$new/opt/sandbox/etc/$file" "/etc/$file"
    ! mountpoint -q "$new/etc/$file" || read_only "$new/etc/$file"
  done
  build_commands
}

# `python` and `sudo`, which the machine may not have. A set-uid program of the machine belongs to nobody in here.
build_commands() {
  local bin=$new/opt/sandbox/bin python=
  for python in /usr/local/bin/python3 /usr/bin/python3 ''; do [ ! -x "$python" ] || break; done
  if [ -n "$python" ]; then
    ln -s "$python" "$bin/python"
    ln -s "$python" "$bin/python3"
  fi
  cp "$SANDBOX_IMAGE/sudo.sh" "$bin/sudo"
  cp "$SANDBOX_IMAGE/enter.sh" "$new/opt/sandbox/enter"
  chmod 755 "$bin/sudo" "$new/opt/sandbox/enter"
  if [ -n "$SANDBOX_UID_BASE" ]; then
    cp "$(command -v setpriv)" "$bin/as-root"
    chown "$SANDBOX_UID_BASE:$SANDBOX_UID_BASE" "$bin/as-root"
    chmod 4755 "$bin/as-root"
  fi
}

loopback_up() {
  ip link set lo up 2>/dev/null || python3 - <<'PYTHON'
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lo:
    # SIOCSIFFLAGS, IFF_UP
    fcntl.ioctl(lo, 0x8914, struct.pack('16sH14s', b'lo', 1, b''))
PYTHON
  # Nobody in here has a right over the network namespace, and ports such as 80 are often asked for.
  echo 0 >"$new/proc/sys/net/ipv4/ip_unprivileged_port_start"
}

# Starts a command as the sandbox's own user, with no rights over the namespaces made here; its pid is `entered`.
enter() {
  local flags=(--keep-caps)
  [ "$SANDBOX_WAY" = root ] || flags=(--map-user=1000 --map-group=1000)
  unshare --user "${flags[@]}" -- /bin/bash /opt/sandbox/enter "$SANDBOX_WAY" "$SANDBOX_PROCESSES" "$SANDBOX_DATA_KIB" "$@" \
    <&0 >&2 5<&- &
  entered=$!
  [ "$SANDBOX_WAY" = root ] || return 0
  local here
  here=$(readlink /proc/self/ns/user)
  while [ "$(readlink "/proc/$entered/ns/user")" = "$here" ]; do sleep 0.01; done
  echo "0 $SANDBOX_UID_BASE 65536" >"/proc/$entered/gid_map"
  echo "0 $SANDBOX_UID_BASE 65536" >"/proc/$entered/uid_map"
}

obey() {
  local word
  while read -r word; do
    case $word in
      pause) kill -STOP -- -1 && echo paused ;;
      resume) kill -CONT -- -1 && echo resumed ;;
      end) kill -CONT -- -1; kill -TERM "$agent" ;;
    esac
  done
}

# Waits for the bridge, whose last step is to make its socket 0600, and hides the socket's folder: nothing in the sandbox
# can put another socket there, or a link to one of the machine's.
await_bridge() {
  local socket=/run/bridge/bridge.sock tries=0
  while [ ! -S "$socket" ] || { [ "$(stat -c %a "$socket")" != 600 ] && [ $((tries += 1)) -lt 100 ]; }; do
    kill -0 "$1" 2>/dev/null || { echo "failed to listen on $socket"; exit 70; }
    sleep 0.01
  done
  umount -l /run/bridge
}

main() {
  local word bridge_words=$1
  shift
  # Until the host has written down who we are, it could not end us after a crash.
  read -r word && [ "$word" = go ] || exit 0
  # Where memory runs out on the machine, a sandbox goes first.
  echo 500 >/proc/self/oom_score_adj
  hostname sandbox 2>/dev/null || true
  build_root
  loopback_up
  cd "$new"
  mkdir -p .old
  pivot_root . .old
  cd /
  # The machine's own PATH may lead to folders that are not in here.
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  umount -l /.old
  rmdir /.old

  exec 5<&0
  local bridge=
  if [ "$bridge_words" -gt 0 ]; then
    enter "${@:1:bridge_words}" </dev/null 3<&- 4<&-
    bridge=$entered
    await_bridge "$bridge"
  fi
  enter "${@:bridge_words+1}" <&4 4<&-
  agent=$entered
  exec 3<&- 4<&-
  [ -n "$bridge" ] || await_bridge "$agent"
  trap - ERR
  set +e
  obey <&5 &
  exec 5<&- 0</dev/null
  echo ready
  wait -n $bridge "$agent" $!
}

main "$@"
