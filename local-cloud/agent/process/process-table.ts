import { Code, ConnectError } from '@connectrpc/connect';
import type { ProcessSelector } from '../gen/process/process_pb.ts';
import type { EndEvent } from './exit-event.ts';
import type { RunningProcess } from './running-process.ts';

const MOST_PROCESSES = 1024;
/** How long an exit code stays available to a client that reconnects just after the process has ended. */
const RETAIN_MS = 30_000;

export interface Ended {
  pid: number;
  tag: string | undefined;
  end: EndEvent;
}

type Selector = ProcessSelector | undefined;

/** Running processes, and for a while those that have ended. */
export class ProcessTable {
  readonly #running = new Map<number, RunningProcess>();
  readonly #ended = new Map<number, Ended>();
  /** Starts in progress, which count toward the limit. */
  #starting = 0;

  /** Runs `start` unless the table is full, and adds the process. */
  async enter(start: () => Promise<RunningProcess>): Promise<RunningProcess> {
    if (this.#running.size + this.#starting >= MOST_PROCESSES) {
      throw new ConnectError(`more than ${MOST_PROCESSES} processes in this sandbox`, Code.ResourceExhausted);
    }
    this.#starting += 1;
    try {
      const process = await start();
      const { pid } = process.child;
      for (const old of [...this.#ended.values()]) {
        if (old.pid === pid || (old.tag !== undefined && old.tag === process.tag))
          this.#ended.delete(old.pid);
      }
      this.#running.set(pid, process);
      return process;
    } finally {
      this.#starting -= 1;
    }
  }

  /** Call when a process has ended. */
  retire(process: RunningProcess, end: EndEvent): void {
    const { pid } = process.child;
    this.#running.delete(pid);
    const ended: Ended = { pid, tag: process.tag, end };
    this.#ended.set(pid, ended);
    setTimeout(() => {
      if (this.#ended.get(pid) === ended) this.#ended.delete(pid);
    }, RETAIN_MS).unref();
  }

  all(): RunningProcess[] {
    return [...this.#running.values()];
  }

  /** Finds a process by pid, or the newest with a tag. Throws `not_found` with the text that the SDKs look for. */
  get(selector: Selector): RunningProcess {
    const found = this.find(selector);
    if (found) return found;
    throw new ConnectError(`process with ${selectorText(selector)} not found`, Code.NotFound);
  }

  find(selector: Selector): RunningProcess | undefined {
    return pick(this.#running, selector, (process) => process.tag);
  }

  findEnded(selector: Selector): Ended | undefined {
    return pick(this.#ended, selector, (ended) => ended.tag);
  }
}

function pick<T>(
  from: Map<number, T>,
  selector: Selector,
  tagOf: (item: T) => string | undefined,
): T | undefined {
  switch (selector?.selector.case) {
    case 'pid':
      return from.get(selector.selector.value);
    case 'tag': {
      const wanted = selector.selector.value;
      return [...from.values()].reverse().find((item) => tagOf(item) === wanted);
    }
    default:
      throw new ConnectError('invalid input type: a process is selected by pid or tag', Code.Unimplemented);
  }
}

function selectorText(selector: Selector): string {
  return selector?.selector.case === 'tag'
    ? `tag ${selector.selector.value}`
    : `pid ${selector?.selector.value}`;
}
