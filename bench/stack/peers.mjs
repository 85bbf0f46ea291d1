import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Another gate that listens on a unix socket. @typedef {{ name: string, socket: string, pid: number }} Peer */

/** Reads `--peer name=socket`. Throws if nothing listens there. @param {readonly string[]} given @returns {Peer[]} */
export function peers(given) {
  return given.map((text) => {
    const [, name, path] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text) ?? [];
    if (name === undefined || path === undefined) throw new Error(`--peer ${text}: expected name=socket`);
    const socket = resolve(path);
    const pid = listenerOf(socket);
    if (pid === undefined)
      throw new Error(`--peer ${text}: no process of this user or container listens there`);
    return { name, socket, pid };
  });
}

/** The process whose CPU counts. @param {string} socket */
function listenerOf(socket) {
  // Num RefCount Protocol Flags Type St Inode Path; flag 0x10000 marks a listening socket.
  const lines = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const inode = lines.find((fields) => fields[7] === socket && fields[3] === '00010000')?.[6];
  if (inode === undefined) return undefined;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).find((pid) => holds(pid, `socket:[${inode}]`));
}

/** @param {number} pid @param {string} link */
function holds(pid, link) {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => isLink(join(folder, fd), link));
  } catch {
    return false;
  }
}

/** @param {string} path @param {string} link */
function isLink(path, link) {
  try {
    return readlinkSync(path) === link;
  } catch {
    return false;
  }
}
