import { describe, expect, it } from 'vitest';
import { endEvent } from '../../../../local-cloud/agent/process/exit-event.ts';

describe('the last event of a process', () => {
  it('has no error for exit code 0', () => {
    expect(endEvent({ code: 0, signal: undefined })).toEqual({
      exitCode: 0,
      exited: true,
      status: 'exit status 0',
    });
  });

  it('has the status as its error otherwise', () => {
    const status = 'exit status 127';
    expect(endEvent({ code: 127, signal: undefined })).toEqual({
      exitCode: 127,
      exited: true,
      status,
      error: status,
    });
  });

  it('names a signal as Go does, or by its system name', () => {
    expect(endEvent({ code: undefined, signal: 'SIGSEGV' })).toMatchObject({
      exitCode: -1,
      exited: false,
      status: 'signal: segmentation fault',
    });
    expect(endEvent({ code: undefined, signal: 'SIGURG' }).status).toBe('signal: SIGURG');
  });
});
