#!/bin/bash
# PID 1 of a sandbox, run by keeper.ts under `unshare`. It builds the root file system that the sandbox sees, starts the
# port bridge and the agent in it, and then reads commands from the host on stdin: pause, resume, end. It replies on
# stdout. When it exits or is killed, the kernel ends everything in its PID namespace; when the host dies, its stdin ends.
#
# Arguments: the number of words in the bridge's command (0: the agent is its own bridge), that command, the agent's.
# Environment: SANDBOX_ISOLATION (root or user), SANDBOX_FOLDER, SANDBOX_SOCKETS (host folder of the bridge's socket),
# SANDBOX_IMAGE (the folder image/), SANDBOX_VISIBLE and SANDBOX_HIDDEN (paths, one per line), SANDBOX_UID_BASE (only with
# root), SANDBOX_PROCESSES and SANDBOX_DATA_KIB (rlimits, empty if a cgroup enforces them).
# fd 3: the agent's environment. fd 4: its stdin.

set -Eeu
# A sandbox may have users of its own, which must be able to enter the folders made here, whatever the host's umask.
umask 022
trap 'echo "failed $BASH_COMMAND"' ERR
# `kill -1` below signals every process there is, so this must be a PID namespace of our own.
[ $$ = 1 ] || { echo 'failed to be PID 1'; exit 70; }

new=$SANDBOX_FOLDER/root

# Bind mounts must not be writable, submounts included: without root, the user of this process owns some of the files. A
# locked flag (nodev, nosuid) must be repeated, or the remount is refused in a user namespace.
read_only() {
  findmnt -Rrno TARGET,VFS-OPTIONS --mountpoint "$1" | while read -r target options; do
    mount -o "remount,bind,ro,${options#r[ow],}" "$(printf %b "$target")"
  done
}

show() { # a path of the machine, at the same path
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
  # Not a link: paths shown below it would be created in the machine's /tmp.
  own "$SANDBOX_FOLDER/tmp" /var/tmp
  local path
  while read -r path; do [ -z "$path" ] || show "$path"; done <<<"$SANDBOX_VISIBLE"
  while read -r path; do
    [ -z "$path" ] || [ ! -d "$new$path" ] || mount -t tmpfs -o ro,mode=0,size=4k hidden "$new$path"
  done <<<"$SANDBOX_HIDDEN"

  own "$SANDBOX_SOCKETS" /run/bridge
  # Copied, because only the owner of a checkout may be able to read it, and the sandbox's users are other users.
  mkdir "$new/opt/sandbox/etc"
  for file in passwd group hosts hostname profile; do
    cat "$SANDBOX_IMAGE/$file" >"$new/opt/sandbox/etc/$file"
    own "$new/opt/sandbox/etc/$file" "/etc/$file"
    ! mountpoint -q "$new/etc/$file" || read_only "$new/etc/$file"
  done
  build_commands
}

# `python` and `sudo`, which the machine may not have. In a sandbox, the owner of the machine's set-uid programs is not
# mapped, so they do not work.
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
  # No user of the sandbox has privileges in the network namespace, and servers often use ports such as 80.
  echo 0 >"$new/proc/sys/net/ipv4/ip_unprivileged_port_start"
}

# Starts a command as the sandbox's own user, without privileges over the namespaces made here; sets `entered` to its pid.
enter() {
  local flags=(--keep-caps)
  [ "$SANDBOX_ISOLATION" = root ] || flags=(--map-user=1000 --map-group=1000)
  unshare --user "${flags[@]}" -- /bin/bash /opt/sandbox/enter "$SANDBOX_ISOLATION" "$SANDBOX_PROCESSES" "$SANDBOX_DATA_KIB" "$@" \
    <&0 >&2 5<&- &
  entered=$!
  [ "$SANDBOX_ISOLATION" = root ] || return 0
  local here
  here=$(readlink /proc/self/ns/user)
  while [ "$(readlink "/proc/$entered/ns/user")" = "$here" ]; do sleep 0.01; done
  echo "0 $SANDBOX_UID_BASE 65536" >"/proc/$entered/gid_map"
  echo "0 $SANDBOX_UID_BASE 65536" >"/proc/$entered/uid_map"
}

obey() {
  local command
  while read -r command; do
    case $command in
      pause) kill -STOP -- -1 && echo paused ;;
      resume) kill -CONT -- -1 && echo resumed ;;
      end) kill -CONT -- -1; kill -TERM "$agent" ;;
    esac
  done
}

# Waits for the bridge, whose last step is to make its socket 0600, then hides the folder of the socket: nothing in the
# sandbox can replace the socket, or link to one of the machine's.
await_bridge() {
  local socket=/run/bridge/bridge.sock tries=0
  while [ ! -S "$socket" ] || { [ "$(stat -c %a "$socket")" != 600 ] && [ $((tries += 1)) -lt 100 ]; }; do
    kill -0 "$1" 2>/dev/null || { echo "failed to listen on $socket"; exit 70; }
    sleep 0.01
  done
  umount -l /run/bridge
}

main() {
  local command bridge_words=$1
  shift
  # Until the host has recorded this process, the next start could not end it after a crash.
  read -r command && [ "$command" = go ] || exit 0
  # If the machine runs out of memory, the kernel kills a sandbox first.
  echo 500 >/proc/self/oom_score_adj
  hostname sandbox 2>/dev/null || true
  build_root
  loopback_up
  cd "$new"
  mkdir -p .old
  pivot_root . .old
  cd /
  # The machine's PATH may name folders that do not exist here.
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
