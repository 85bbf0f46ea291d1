# The last step of init.sh, inside the sandbox's user namespace: sets limits, environment and user, then runs the program.
# Arguments: isolation, processes, data KiB, command. fd 3, if open: NAME=value pairs, each ended by a zero byte.

# With isolation `root`, init.sh maps the users from outside; until then this process has no mapped user.
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
[ "$SANDBOX_ISOLATION" = none ] || cd /home/user
for __sandbox in $(compgen -e); do unset "$__sandbox"; done
HOME=$(pwd)
export HOME USER=user LOGNAME=user SHELL=/bin/bash LANG=C.UTF-8
export PATH=/opt/sandbox/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -e /proc/self/fd/3 ]; then
  # Not as arguments, which every user of the machine can see with `ps`.
  while IFS= read -r -d '' __sandbox <&3; do export "$__sandbox"; done
  exec 3<&-
fi
exec "$@"
