import { describe, expect, it } from 'vitest';
import { Accounts, type AccountsOptions } from '../../../../local-cloud/agent/account/accounts.ts';

const PASSWD = [
  { name: 'root', uid: 0, gid: 0, home: '/root' },
  { name: 'user', uid: 1000, gid: 1000, home: '/home/user' },
];
const accounts = (over: Partial<AccountsOptions>) =>
  new Accounts({
    self: { uid: 0, gid: 0 },
    passwd: () => PASSWD,
    mayBecome: () => true,
    home: '/folder/home/user',
    ownRoot: true,
    ...over,
  });

describe('the users of a sandbox', () => {
  it('are those of its passwd file if the agent is root', () => {
    const found = accounts({}).find('user', 'user');
    expect(found).toEqual({ name: 'user', uid: 1000, gid: 1000, home: '/home/user', switches: true });
    expect(accounts({}).find('root', 'user')).toMatchObject({ home: '/root', switches: false });
  });

  it('are all the agent itself if it is not root, or if its namespace has no such id', () => {
    const own = { name: 'user', uid: 501, gid: 20, home: '/folder/home/user', switches: false };
    expect(accounts({ self: { uid: 501, gid: 20 } }).find('user', 'user')).toEqual(own);
    const mapped = accounts({ mayBecome: (uid) => uid === 0 });
    expect(mapped.find('user', 'user')).toEqual({ ...own, uid: 0, gid: 0 });
  });

  it('have their home in the sandbox if its root is only a folder', () => {
    expect(accounts({ ownRoot: false }).find('root', 'user').home).toBe('/folder/home/user');
  });

  it('are E2B’s two and the default one if passwd has none', () => {
    const empty = accounts({ passwd: () => [] });
    for (const name of ['user', 'root', 'dev']) expect(empty.find(name, 'dev').switches).toBe(false);
    expect(() => empty.find('stranger', 'dev')).toThrow("invalid username: 'stranger'");
  });
});
