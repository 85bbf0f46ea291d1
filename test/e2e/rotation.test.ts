import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sandgate } from '../stack/command.ts';
import { type Load, type Outcome, startLoad, tally } from '../stack/load.ts';
import { PATIENCE } from '../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { digestOf, hostOf, restricted, TOKEN } from '../stack/test-stack.ts';

let stack: ProcessStack;
let up: Recorder;
beforeAll(async () => {
  stack = await startProcessStack({ gates: 2 });
  up = await startRecorder();
  await stack.put(restricted('rot1'), restricted('rot2'));
});
afterAll(async () => {
  await up?.close();
  await stack?.stop();
});

const load = (sandboxId: string, token: string): Load =>
  startLoad(stack.http, hostOf(up.port, sandboxId), { 'e2b-traffic-access-token': token });
const answered = (running: Load, count: number) =>
  vi.waitFor(() => expect(running.outcomes.length).toBeGreaterThan(count), PATIENCE);
const token = (...args: string[]) => sandgate(['token', ...args, '--state-dir', stack.stateDir]);

describe('a token under load, through Envoy and two gates', () => {
  it('rotated: both are valid during the overlap, the old one is refused after it, and nothing else changes', async () => {
    const old = load('rot1', TOKEN);
    await answered(old, 50);
    const rotated = await token('rotate', 'rot1', 'default', '--overlap', '2', '--json');
    const returned = performance.now();
    const { token: successor, previous, gates, inForce } = JSON.parse(rotated.stdout);
    expect({ gates, inForce }).toEqual({ gates: 2, inForce: true });
    const fresh = load('rot1', successor);
    const end = performance.now() + (Date.parse(previous.expiresAt) - Date.now());
    const isLate = ({ sentAt }: Outcome) => sentAt > end + 5;
    await vi.waitFor(() => expect(old.outcomes.filter(isLate).length).toBeGreaterThan(50), PATIENCE);
    const outcomes = await old.stop();
    // The change is in force when the command returns: the first request with the new token is allowed.
    expect(tally(await fresh.stop())).toEqual({ 200: fresh.outcomes.length });
    expect(fresh.outcomes[0]!.sentAt).toBeGreaterThan(returned);

    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([200, 403]));
    // The gate decides by its clock when the request arrives, which may be after the end although it was sent before.
    const early = outcomes.filter(({ sentAt, tookMs }) => sentAt + tookMs < end - 5);
    expect(tally(early)).toEqual({ 200: early.length });
    const late = outcomes.filter(isLate);
    expect(tally(late)).toEqual({ 403: late.length });
  });

  it('revoked: refused as soon as the command returns, while another one stays valid', async () => {
    const other = 'ab'.repeat(32);
    await stack.put(
      restricted('rot2', {
        access: {
          tokens: [
            { id: 'default', sha256: digestOf(TOKEN) },
            { id: 'other', sha256: digestOf(other) },
          ],
        },
      }),
    );
    const [revoked, kept] = [load('rot2', TOKEN), load('rot2', other)];
    await answered(revoked, 50);
    const ran = await token('revoke', 'rot2', 'default');
    const returned = performance.now();
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('in force at 2 gates') });
    const isLate = ({ sentAt }: Outcome) => sentAt > returned;
    await vi.waitFor(() => expect(revoked.outcomes.filter(isLate).length).toBeGreaterThan(50), PATIENCE);
    const late = (await revoked.stop()).filter(isLate);
    expect(tally(late)).toEqual({ 403: late.length });
    expect(tally(await kept.stop())).toEqual({ 200: kept.outcomes.length });
  });
});
