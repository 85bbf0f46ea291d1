import { type Finding, ok, warn } from './finding.ts';

const PATIENCE_MS = 3000;

/** Addresses that the system's resolver gives for a name; rejects where it gives none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** The local cloud that runs, whose names programs can be helped with. */
export interface CloudNames {
  /** Without port. */
  domain: string;
  /** What to type. */
  remedy: string;
}

/** Whether clients on this machine find the domains and the sandbox hosts under them. */
export async function checkNames(
  domains: readonly string[],
  resolve: Resolve,
  cloud?: CloudNames,
): Promise<Finding[]> {
  const bases = domains.map((domain) => domain.replace(/^\*\.?/, '')).filter(Boolean);
  const names = [...new Set(bases)].flatMap((base) => [base, `8080-x.${base}`]);
  return Promise.all(names.map((name) => checkName(name, resolve, cloud)));
}

async function checkName(name: string, resolve: Resolve, cloud?: CloudNames): Promise<Finding> {
  const check = `name ${name}`;
  try {
    return ok(check, (await inTime(resolve(name))).join(', '));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return warn(check, `the system does not resolve it (${why})`, remedyFor(name, cloud));
  }
}

function remedyFor(name: string, cloud: CloudNames | undefined): string {
  if (cloud !== undefined && `.${name}`.endsWith(`.${cloud.domain}`))
    return `for programs of this shell: ${cloud.remedy}`;
  if (name.endsWith('localhost'))
    return 'curl and browsers know *.localhost by themselves; for others add it to /etc/hosts, or route by header';
  return 'point a wildcard DNS record at the ingress, or give curl --connect-to';
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
