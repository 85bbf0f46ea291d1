import { type Finding, ok, warn } from './finding.ts';

const PATIENCE_MS = 3000;

/** Addresses that the system's resolver gives for a name; rejects where it gives none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** Whether clients on this machine find the domains and the sandbox hosts under them. */
export async function checkNames(domains: readonly string[], resolve: Resolve): Promise<Finding[]> {
  const bases = domains.map((domain) => domain.replace(/^\*\.?/, '')).filter(Boolean);
  const names = [...new Set(bases)].flatMap((base) => [base, `8080-x.${base}`]);
  return Promise.all(names.map((name) => checkName(name, resolve)));
}

async function checkName(name: string, resolve: Resolve): Promise<Finding> {
  const check = `name ${name}`;
  try {
    return ok(check, (await inTime(resolve(name))).join(', '));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    const remedy = name.endsWith('localhost')
      ? 'curl and browsers know *.localhost by themselves; for others add it to /etc/hosts, or route by header'
      : 'point a wildcard DNS record at the ingress, or give curl --connect-to';
    return warn(check, `the system does not resolve it (${why})`, remedy);
  }
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
