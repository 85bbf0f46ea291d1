import { createHash } from 'node:crypto';
import { ENVOY_REFUSALS, REFUSALS } from './refusals.ts';

/** The template must not contain `%`, because Envoy reads its copy as a format string. */
const STYLE = `
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.5 system-ui,sans-serif;background:#f6f7f9;color:#1c2128}
main{max-width:34rem;margin:1rem;padding:2rem 2.25rem;border:1px solid #d9dde3;border-radius:12px;background:#fff}
h1{margin:0 0 .5rem;font-size:1.375rem}
p{margin:0 0 1.25rem}
dl{margin:0;display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;font-size:.875rem}
dt{color:#667080}
dd{margin:0;font-family:ui-monospace,monospace;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{background:#14171c;color:#e6e9ee}main{background:#1c2128;border-color:#343b46}dt{color:#98a2b0}}
`;

/** The pages' `content-security-policy`: only their own style block applies; nothing may load, run, frame or post. */
export const PAGE_CSP = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

export interface Page {
  title: string;
  message: string;
  sandboxId?: string | undefined;
  port?: string | undefined;
  path?: string | undefined;
}

/**
 * A self-contained HTML page that begins with `<!DOCTYPE html>` and ends with `</html>`, as E2B's pages do. Every field is
 * escaped; an Envoy placeholder such as `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:port)%` is left as it is.
 */
export function renderPage(page: Page): string {
  const facts = fact('Sandbox', page.sandboxId) + fact('Port', page.port) + fact('Path', page.path);
  return (
    `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">` +
    `<meta name="viewport" content="width=device-width,initial-scale=1">` +
    `<title>${escapeHtml(page.title)}</title><style>${STYLE}</style></head>` +
    `<body><main><h1>${escapeHtml(page.title)}</h1><p>${escapeHtml(page.message)}</p>` +
    `${facts && `<dl>${facts}</dl>`}</main></body></html>`
  );
}

/** The closed-port page; Envoy's config has a copy with placeholders, for failed connects. */
export function closedPortPage(sandboxId: string, port: string): string {
  const message = `The sandbox is running but there is no service running on port ${port}.`;
  return renderPage({ title: REFUSALS.port_closed.title, message, sandboxId, port });
}

/** The page for an answer of the sandbox that Envoy cannot read; only Envoy's config uses it. */
export function unreadableAnswerPage(sandboxId: string, port: string): string {
  return renderPage({ ...ENVOY_REFUSALS.upstream_protocol_error, sandboxId, port });
}

/** The invalid-token page; Envoy's config has a copy, for a token that expires before the sandbox answers. */
export function invalidTokenPage(sandboxId: string): string {
  return renderPage({ ...REFUSALS.token_invalid, sandboxId });
}

function fact(name: string, value: string | undefined): string {
  return value === undefined ? '' : `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
