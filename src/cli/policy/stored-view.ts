import type { UnreadRecord } from '../../policy/record.ts';
import type { PolicyAdmin } from '../../policy-api/policy-admin.ts';

const PAGE = 500;
const LONGEST_ID = 63;

/** Look-ups by id that fetch whole pages: ids in ascending order, as in an export, cost one call per 500. */
export class StoredView {
  readonly #admin: Pick<PolicyAdmin, 'list'>;
  #records = new Map<string, UnreadRecord>();
  /** The range that the page covers: above `#from`, up to and including `#to`. All ids sort below '~'. */
  #from = '~';
  #to = '';

  constructor(admin: Pick<PolicyAdmin, 'list'>) {
    this.#admin = admin;
  }

  async lookup(sandboxId: string): Promise<UnreadRecord | undefined> {
    if (!(sandboxId > this.#from && sandboxId <= this.#to)) await this.#fetchPage(sandboxId);
    return this.#records.get(sandboxId);
  }

  async #fetchPage(sandboxId: string): Promise<void> {
    const after = justBelow(sandboxId);
    const { records, next } = await this.#admin.list({ ...(after !== '' && { after }), limit: PAGE });
    this.#records = new Map(records.map((record) => [String(record.sandboxId), record]));
    this.#from = after;
    this.#to = next ?? '~';
  }
}

/** The greatest id below this one; '' if there is none. */
export function justBelow(sandboxId: string): string {
  const head = sandboxId.slice(0, -1);
  const last = sandboxId.at(-1)!;
  if (last === '0') return head;
  const before = last === 'a' ? '9' : String.fromCharCode(last.charCodeAt(0) - 1);
  return `${head}${before}`.padEnd(LONGEST_ID, 'z');
}
