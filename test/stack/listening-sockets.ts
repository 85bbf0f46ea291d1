import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Address, canonicalAddress } from '../../src/address.ts';

const LISTEN = '0A';

/** The TCP addresses on which a process, or any that it started, listens. Linux only. */
export function listeningSockets(pid: number): Address[] {
  return descendantsOf(pid).flatMap((one) => {
    const inodes = socketsOf(one);
    if (inodes.size === 0) return [];
    return ['tcp', 'tcp6'].flatMap((table) =>
      readFileSync(`/proc/${one}/net/${table}`, 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , , state, , , , , , inode]) => state === LISTEN && inodes.has(inode!))
        .map(([, local]) => addressOf(local!)),
    );
  });
}

function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const all = [root];
  for (const pid of all) all.push(...(children.get(pid) ?? []));
  return all;
}

/** Undefined for a process that ended meanwhile. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may contain anything.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function socketsOf(pid: number): Set<string> {
  const links = namesIn(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}

/** Empty for a process that ended meanwhile. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** `0100007F:1F90`: each group of four bytes is in the order of the machine, here little-endian. */
function addressOf(text: string): Address {
  const [hex = '', port = ''] = text.split(':');
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((group) => group.match(/../g)!.reverse());
  const host =
    bytes.length === 4
      ? bytes.map((byte) => Number.parseInt(byte, 16)).join('.')
      : canonicalAddress((bytes.join('').match(/.{4}/g) ?? []).join(':'))!;
  return { host, port: Number.parseInt(port, 16) };
}
