import type { GateRequest } from './decision.ts';

const BROWSER = /mozilla|chrome|safari|firefox|edge|opera|msie/i;

type Negotiation = Pick<GateRequest, 'accept' | 'userAgent' | 'secFetchMode' | 'requestedWith'>;

/** Whether the answer is a page for a person in a browser (docs/contract.md §3); scripts, SDKs and WebSockets get JSON. */
export function wantsHtml(request: Negotiation): boolean {
  return BROWSER.test(request.userAgent) && !isScript(request) && !prefersJson(request.accept);
}

function prefersJson(accept: string): boolean {
  const types = accept.toLowerCase();
  return types.includes('application/json') && !types.includes('text/html');
}

function isScript(request: Negotiation): boolean {
  switch (request.secFetchMode.toLowerCase()) {
    case 'cors':
    case 'no-cors':
    case 'same-origin':
    case 'websocket':
      return true;
    case 'navigate':
      return false;
    default:
      return request.requestedWith !== '';
  }
}
