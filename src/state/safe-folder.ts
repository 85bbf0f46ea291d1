import { lstatSync, readFileSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SandgateError } from '../errors.ts';

/** Why a folder cannot be trusted, and how to fix it. */
export interface FolderFault {
  found: string;
  remedy: string;
}

/** As Linux: more links than this in one path are a loop. */
const LINKS_MAX = 40;
const STICKY = 0o1000;
const SETGID = 0o2000;
const ANOTHER = 'choose another state folder (SANDGATE_STATE_DIR)';

/** Throws STATE_UNUSABLE if another user could replace the folder, or what is in it. Parts that do not exist are fine. */
export function requireSafeFolder(folder: string): void {
  const fault = folderFault(folder);
  if (fault !== undefined) throw new SandgateError('STATE_UNUSABLE', fault.found, { remedy: fault.remedy });
}

/**
 * Checks the folder and every folder on the way to it, through links: whoever can write to one of them can put another
 * folder in its place, and with it another Check socket, which can allow anything. `uid` is this process' own.
 */
export function folderFault(folder: string, uid = process.getuid?.()): FolderFault | undefined {
  return uid === undefined ? undefined : faultOnTheWay(resolve(folder), uid, LINKS_MAX);
}

function faultOnTheWay(path: string, uid: number, links: number): FolderFault | undefined {
  const parent = dirname(path);
  const above = parent === path ? undefined : faultOnTheWay(parent, uid, links);
  if (above !== undefined) return above;
  const found = statOf(path);
  if (found === undefined) return undefined;
  const { uid: owner } = found;
  if (owner !== uid && owner !== 0) {
    const remedy = `run as user ${owner}, give ${path} to user ${uid} (chown), or ${ANOTHER}`;
    return {
      found: `${path} belongs to user ${owner}, who could replace what is in it; this is user ${uid}`,
      remedy,
    };
  }
  if (found.isSymbolicLink()) {
    if (links === 0) return { found: `${path} is a loop of links`, remedy: `remove it, or ${ANOTHER}` };
    return faultOnTheWay(resolve(realpathSync(parent), readlinkSync(path)), uid, links - 1);
  }
  // A file gets the system's error when it is used as a folder; devices are writable by everyone.
  if (!found.isDirectory()) return undefined;
  if (!isWritableByOthers(found, uid) || isPodVolume(path, found)) return undefined;
  const mode = (found.mode & 0o7777).toString(8).padStart(4, '0');
  return {
    found: `${path} is writable by others (mode ${mode}), who could replace what is in it`,
    remedy: `chmod go-w ${path}, or ${ANOTHER}`,
  };
}

/** In a sticky folder such as /tmp, only its owner can replace an entry; and each entry's owner is checked in turn. */
function isWritableByOthers({ mode, gid }: Stats, uid: number): boolean {
  if ((mode & STICKY) !== 0) return false;
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && !isOwnGroup(gid, uid));
}

/**
 * True for a group that has this user only, as most distributions give every user: their umask of 002 makes each folder
 * writable by it. False if the files do not say, because the users come from a directory service.
 */
function isOwnGroup(gid: number, uid: number): boolean {
  try {
    const rows = (file: string) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.split(':'));
    const users = rows('/etc/passwd');
    const own = users.filter(([, , id]) => id === `${uid}`).map(([name]) => name);
    const group = rows('/etc/group').filter(([, , id]) => id === `${gid}`);
    const members = [
      ...group.flatMap(([, , , names = '']) => names.split(',')),
      ...users.filter(([, , , id]) => id === `${gid}`).map(([name]) => name),
    ].filter((name) => name !== '');
    return group.length > 0 && own.length > 0 && members.every((name) => own.includes(name));
  } catch {
    return false;
  }
}

/**
 * True for a Kubernetes volume with an `fsGroup`: a mount point of root with a group of this process. The kubelet makes
 * it writable by the group or by everyone, which a container cannot change; the pod's spec says which containers mount it.
 */
function isPodVolume(path: string, { uid, gid, dev, mode }: Stats): boolean {
  const isMountPoint = statOf(dirname(path))?.dev !== dev;
  const isOurs = process.getgroups?.().includes(gid) === true;
  return isMountPoint && uid === 0 && gid !== 0 && (mode & SETGID) !== 0 && isOurs;
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // A part of the path is not a folder, or may not be entered: whoever uses it gets the system's error.
    return undefined;
  }
}
