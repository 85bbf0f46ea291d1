import type { Address } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { identify, isAlive, kill, type ProcessIdentity } from '../server/process-identity.ts';
import { type DevRun, removeRun, writeRun } from '../server/run-file.ts';

/** The record of what `dev` started, kept on disk so that the next start can end it if this one is killed. */
export interface Children {
  add(pid: number): void;
  ingress(http: readonly Address[], https: readonly Address[]): void;
  /** For `sandgate env`, once all of it is ready. */
  announce(client: DevRun['client']): void;
  /** Without grace; returns at once. */
  killAll(): void;
  forget(): void;
}

export function recordChildren(stateDir: string): Children {
  const self = identify(process.pid);
  if (self === undefined) throw new SandgateError('INTERNAL', 'cannot tell when this process started');
  let children: ProcessIdentity[] = [];
  let addresses: { http: readonly Address[]; https: readonly Address[] } = { http: [], https: [] };
  let client: DevRun['client'];
  const write = () =>
    writeRun(stateDir, { kind: 'dev', ...self, children, ...addresses, ...(client && { client }) });
  write();
  return {
    add(pid) {
      const child = identify(pid);
      if (child === undefined) return;
      children = [...children.filter(isAlive), child];
      write();
    },
    ingress(http, https) {
      addresses = { http, https };
      write();
    },
    announce(announced) {
      client = announced;
      write();
    },
    killAll: () => children.forEach(kill),
    forget: () => removeRun(stateDir, self.pid),
  };
}
