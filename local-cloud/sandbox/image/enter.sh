# The last step of init.sh, already in the sandbox's user namespace: limits, environment, user, program.
# Arguments: way, processes, data KiB, command. fd 3, where open: NAME=value pairs, each ended by a zero byte.

# Way root: init.sh maps the users from outside; before that this process is nobody.
while ! read -r _ </proc/self/uid_map; do sleep 0.01; done 2>/dev/null
umask 022
ulimit -c 0
[ -z "$2" ] || ulimit -u "$2"
[ -z "$3" ] || ulimit -d "$3"
if [ "$1" = root ]; then
  shift 3
  set -- "$(command -v setpriv)" --reuid 0 --regid 0 --clear-groups -- "$@"
else
  shift 3
fi
[ "$SANDBOX_WAY" = none ] || cd /home/user
for __sandbox in $(compgen -e); do unset "$__sandbox"; done
HOME=$(pwd)
export HOME USER=user LOGNAME=user SHELL=/bin/bash LANG=C.UTF-8
export PATH=/opt/sandbox/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -e /proc/self/fd/3 ]; then
  # Not as arguments: the machine's `ps` shows those to everybody.
  while IFS= read -r -d '' __sandbox <&3; do export "$__sandbox"; done
  exec 3<&-
fi
exec "$@"
