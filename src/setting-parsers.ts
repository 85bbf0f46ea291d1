import { resolve } from 'node:path';
import { type Address, type ApiUrl, type Endpoint, parseAddress, parseApiUrl } from './address.ts';

/** The properties of the machine that settings depend on; an argument, so that tests do not depend on theirs. */
export interface HostEnvironment {
  /** Relative paths and the default state folder start here. */
  baseDir: string;
  ipv6Loopback: boolean;
}

// Each parser throws an Error whose message continues a sentence that starts with the name of the setting.

export function list(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

export function addresses(text: string): readonly Address[] {
  if (text === 'off' || text === '') return [];
  const items = list(text);
  if (items.length === 0) throw new Error('names no address; use `off` for none');
  const faults: string[] = [];
  const read = items.flatMap((item) => {
    try {
      return [parseAddress(item)];
    } catch (error) {
      faults.push(`${item} ${(error as Error).message}`);
      return [];
    }
  });
  if (faults.length > 0) throw new Error(faults.join('; '));
  return read;
}

export function file(text: string, host: HostEnvironment): string | undefined {
  return text === '' ? undefined : resolve(host.baseDir, text);
}

export function parseListen(text: string, host: HostEnvironment, stateDir: string): Endpoint {
  return text.startsWith('unix:') ? socketIn(text, host, stateDir) : parseAddress(text);
}

/** Reads `unix:<path>`, `http://host:port` or `https://host[:port]`. */
export function apiUrl(text: string, host: HostEnvironment, stateDir: string): ApiUrl | undefined {
  if (text === '') return undefined;
  return text.startsWith('unix:') ? socketIn(text, host, stateDir) : parseApiUrl(text);
}

function socketIn(text: string, host: HostEnvironment, stateDir: string): { path: string } {
  return { path: resolve(host.baseDir, text.slice('unix:'.length).replace('<state>', stateDir)) };
}

export function seconds(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new Error(`must be ${least} to ${most} seconds`);
    return Math.round(value * 1000);
  };
}

export function count(most: number, least = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new Error(`must be a number from ${least} to ${most}`);
    }
    return value;
  };
}

export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new Error('must be a number from 0 to 1');
  return value;
}

export function onOff(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new Error('must be on or off');
  return text === 'on';
}

export function oneOf<const Choice extends string>(...choices: Choice[]): (text: string) => Choice {
  return (text) => {
    const chosen = choices.find((choice) => choice === text);
    if (chosen === undefined) throw new Error(`must be one of ${choices.join(', ')}`);
    return chosen;
  };
}

const KEY = /^[\x21-\x7e]{32,512}$/;

/** The fault of a policy API key, in a text that does not contain the key; undefined if there is none. */
export function keyFault(key: string): string | undefined {
  return KEY.test(key) ? undefined : 'each key must be 32 to 512 visible ASCII characters';
}
