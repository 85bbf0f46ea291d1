/**
 * The sandbox domain to tell a client: what it asked us under, without `api.` and with its port, so that names and ports
 * that reach us (a tunnel, a published port) are those of the sandboxes too. `fallback` for any other Host.
 */
export function domainOfHost(host: string | undefined, domains: readonly string[], fallback: string): string {
  const match = /^api\.([a-z0-9.-]+)(:\d{1,5})?$/.exec(host?.toLowerCase() ?? '');
  const [, domain = '', port = ''] = match ?? [];
  return domains.includes(domain) ? `${domain}${port}` : fallback;
}
