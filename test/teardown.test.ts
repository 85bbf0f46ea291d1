import { expect, it } from 'vitest';
import { startWith, Teardown } from '../src/teardown.ts';

function recorded() {
  const teardown = new Teardown();
  const closed: string[] = [];
  const add = (name: string, work: () => unknown = () => {}) =>
    teardown.add(name, async () => {
      await work();
      closed.push(name);
    });
  return { teardown, closed, add };
}

it('closes in reverse order, each step after the one before has settled', async () => {
  const { teardown, closed, add } = recorded();
  let release = () => {};
  add('store');
  add('listener', () => new Promise<void>((resolve) => (release = resolve)));
  add('gates');
  const running = teardown.run();
  await new Promise(setImmediate);
  expect(closed).toEqual(['gates']);
  release();
  await running;
  expect(closed).toEqual(['gates', 'listener', 'store']);
});

it('runs once, however often it is called', async () => {
  const { teardown, closed, add } = recorded();
  add('store');
  const first = teardown.run();
  expect(teardown.run()).toBe(first);
  await first;
  await teardown.run();
  expect(closed).toEqual(['store']);
});

it('runs the steps after one that failed, and then names every failure', async () => {
  const { teardown, closed, add } = recorded();
  const full = new Error('disk full');
  const busy = new Error('still busy');
  add('store', () => Promise.reject(full));
  add('listener');
  teardown.add('gates', () => {
    throw busy;
  });
  await expect(teardown.run()).rejects.toMatchObject({
    code: 'INTERNAL',
    message: 'could not close gates (still busy), store (disk full)',
    cause: { errors: [busy, full] },
  });
  expect(closed).toEqual(['listener']);
});

it('refuses a step that would never be closed', async () => {
  const { teardown, add } = recorded();
  await teardown.run();
  expect(() => add('store')).toThrow('opened too late to close: store');
});

it('closes what a failed start has opened, and throws the error of the start', async () => {
  const { teardown, closed, add } = recorded();
  const start = async () => {
    add('store');
    add('listener', () => Promise.reject(new Error('still busy')));
    throw new Error('port in use');
  };
  await expect(startWith(teardown, start)).rejects.toThrow('port in use');
  expect(closed).toEqual(['store']);
});

it('leaves open what a successful start has opened', async () => {
  const { teardown, closed, add } = recorded();
  const start = async () => {
    add('store');
    return 'started';
  };
  expect(await startWith(teardown, start)).toBe('started');
  expect(closed).toEqual([]);
});
