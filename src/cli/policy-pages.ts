import type { ListRequest, PolicyAdmin } from '../admin/policy-admin.ts';
import type { StoredRecord } from '../policy/store.ts';

const PAGE = 500;

/** Every policy that the filter lets through, a page at a time, ids ascending. */
export async function* policyPages(
  admin: Pick<PolicyAdmin, 'list'>,
  filter: Pick<ListRequest, 'state' | 'idPrefix'> = {},
): AsyncGenerator<StoredRecord[]> {
  let after: string | undefined;
  do {
    const page = await admin.list({ ...filter, ...(after !== undefined && { after }), limit: PAGE });
    if (page.records.length > 0) yield page.records;
    after = page.next;
  } while (after !== undefined);
}
