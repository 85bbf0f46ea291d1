import { setTimeout as passed } from 'node:timers/promises';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Account } from '../account/accounts.ts';
import { type Process, type ProcessInput, Signal } from '../gen/process/process_pb.ts';
import type { Launcher } from './launcher.ts';
import type { ProcessTable } from './process-table.ts';
import { keepaliveMs, processTimeoutMs } from './request-times.ts';
import { RunningProcess } from './running-process.ts';
import type { ProcessEvent, Subscription } from './subscription.ts';

/** How long to wait for a killed process to end; one that is stuck in the kernel may take longer. */
const KILLED_MS = 1000;

export type AccountOf = (context: HandlerContext) => Account;

/** envd's `process.Process`. */
export function processService(
  table: ProcessTable,
  launcher: Launcher,
  accountOf: AccountOf,
): ServiceImpl<typeof Process> {
  return {
    async *start(request, context) {
      const account = accountOf(context);
      const timeoutMs = processTimeoutMs(context.requestHeader);
      const process = new RunningProcess(request.process!, request.tag, (ended, end) =>
        table.retire(ended, end),
      );
      // Subscribe before the first byte of output can arrive.
      const subscription = process.subscribe();
      await table.enter(async () => {
        process.adopt(await launcher.start(request, account, process), timeoutMs);
        return process;
      });
      for await (const event of follow(process, subscription, context)) yield { event };
    },

    async *connect(request, context) {
      const process = table.find(request.process);
      if (process) {
        for await (const event of follow(process, process.subscribe(), context)) yield { event };
        return;
      }
      const ended = table.findEnded(request.process) ?? table.get(request.process);
      if (ended instanceof RunningProcess) return;
      yield { event: startOf(ended.pid) };
      yield { event: { event: { case: 'end', value: ended.end } } };
    },

    list: () => ({
      processes: table.all().map(({ config, tag, child }) => ({
        config,
        pid: child.pid,
        ...(tag === undefined ? {} : { tag }),
      })),
    }),

    update(request) {
      const { child } = table.get(request.process);
      if (request.pty?.size) child.resize(request.pty.size.cols, request.pty.size.rows);
      return {};
    },

    async sendInput(request) {
      await write(table.get(request.process), request.input);
      return {};
    },

    async streamInput(requests) {
      let process: RunningProcess | undefined;
      for await (const { event } of requests) {
        if (event.case === 'start') process = table.get(event.value.process);
        else if (event.case === 'data') await write(process, event.value.input);
        else if (event.case === undefined) throw new ConnectError('invalid event type', Code.Unimplemented);
      }
      return {};
    },

    async closeStdin(request) {
      await table.get(request.process).child.closeInput();
      return {};
    },

    async sendSignal(request) {
      const process = table.get(request.process);
      const signal = signalOf(request.signal);
      process.child.signal(signal);
      // Wait, so that a list or a second kill right afterwards no longer finds the process.
      if (signal === 'SIGKILL')
        await Promise.race([process.ended, passed(KILLED_MS, undefined, { ref: false })]);
      return {};
    },
  };
}

/** Events for one client. The process continues if the stream ends. */
async function* follow(
  process: RunningProcess,
  subscription: Subscription,
  context: HandlerContext,
): AsyncGenerator<ProcessEvent> {
  try {
    yield startOf(process.child.pid);
    yield* subscription.events(keepaliveMs(context.requestHeader), context.signal);
  } finally {
    process.unsubscribe(subscription);
  }
}

function startOf(pid: number): ProcessEvent {
  return { event: { case: 'start', value: { pid } } };
}

async function write(process: RunningProcess | undefined, input: ProcessInput | undefined): Promise<void> {
  if (!process) throw new ConnectError('the first event must be a start', Code.InvalidArgument);
  if (input?.input.case === undefined) throw new ConnectError('invalid input type', Code.Unimplemented);
  await process.child.write(input.input.case, input.input.value);
}

function signalOf(signal: Signal): NodeJS.Signals {
  switch (signal) {
    case Signal.SIGKILL:
      return 'SIGKILL';
    case Signal.SIGTERM:
      return 'SIGTERM';
    default:
      throw new ConnectError(`invalid signal: ${signal}`, Code.Unimplemented);
  }
}
