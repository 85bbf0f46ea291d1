import type { Settings } from '../settings.ts';
import { baseDomains } from '../target/domains.ts';

/** Why `dev` runs without a local cloud, in words; undefined where it runs one. */
export function whyNoCloud(settings: Settings, platform: NodeJS.Platform): string | undefined {
  if (!settings.cloud) return 'it is off (SANDGATE_CLOUD)';
  if (platform !== 'linux') return 'it needs Linux';
  if (settings.store === 'files') return 'it writes policies, and `--store files` is read-only';
  if (settings.admin === undefined)
    return 'it writes policies through the policy API, which is off (SANDGATE_ADMIN)';
  if ('host' in settings.admin && settings.gates === 1)
    return 'the only policy API is on TCP (SANDGATE_ADMIN)';
  if (settings.https.length === 0) return "E2B's SDKs need TLS, which is off (SANDGATE_HTTPS)";
  if (baseDomains(settings.domains).length === 0) return 'no domain is named (SANDGATE_DOMAINS)';
  return undefined;
}
