import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ProcessEvent_EndEventSchema } from '../gen/process/process_pb.ts';
import type { Exit } from './child.ts';

export type EndEvent = MessageInitShape<typeof ProcessEvent_EndEventSchema>;

/** Go's names for signals, which SDK users see in `result.error`. */
const SIGNALS: Partial<Record<NodeJS.Signals, string>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGUSR1: 'user defined signal 1',
  SIGSEGV: 'segmentation fault',
  SIGUSR2: 'user defined signal 2',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
};

/** The last event of a process: `exit status 0`, `exit status 3`, `signal: killed`. */
export function endEvent(exit: Exit): EndEvent {
  if (exit.signal !== undefined) {
    const status = `signal: ${SIGNALS[exit.signal] ?? exit.signal}`;
    return { exitCode: -1, exited: false, status, error: status };
  }
  const exitCode = exit.code ?? -1;
  const status = `exit status ${exitCode}`;
  return { exitCode, exited: true, status, ...(exitCode === 0 ? {} : { error: status }) };
}
