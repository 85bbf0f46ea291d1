#!/bin/bash
# Passwordless sudo for a sandbox: user 0 of its own user namespace. Supports only the common options, and no policy.
user=root login=
while [ $# -gt 0 ]; do
  case $1 in
    -u | --user) user=$2; shift 2 ;;
    -u*) user=${1#-u}; shift ;;
    --user=*) user=${1#*=}; shift ;;
    -i | -s) login=1; shift ;;
    -E | -n | -H | -S | -k | --preserve-env* | --non-interactive | --set-home) shift ;;
    --) shift; break ;;
    -*) echo "sudo: option $1 is not known in this sandbox" >&2; exit 1 ;;
    *=*) export "${1?}"; shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || [ -n "$login" ] || { echo 'usage: sudo [-u user] command' >&2; exit 1; }
[ $# -gt 0 ] || set -- /bin/bash -l
uid=$(id -u "$user") gid=$(id -g "$user") || exit 1
helper=/opt/sandbox/bin/as-root
if [ -u "$helper" ]; then exec "$helper" --reuid "$uid" --regid "$gid" --clear-groups -- "$@"; fi
# Only one user of the machine is mapped, so this is root in name only.
if [ "$uid" = 0 ] && [ "$(id -u)" != 0 ]; then exec unshare --map-root-user -- "$@"; fi
exec "$@"
