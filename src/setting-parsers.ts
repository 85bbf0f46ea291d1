import { resolve } from 'node:path';
import { type Address, type Endpoint, parseAddress } from './address.ts';

/** What the machine is like where settings depend on it; passed in so that tests need not be that machine. */
export interface Surroundings {
  /** Relative paths and the default state folder start here. */
  baseDir: string;
  ipv6Loopback: boolean;
}

/** Each reads the text of one setting, and throws an Error whose message is the end of a sentence that begins with its name. */

export function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

export function addresses(text: string): Address[] {
  if (text === 'off' || text === '') return [];
  const items = list(text);
  if (items.length === 0) throw new Error('names no address; `off` is none');
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

export function file(text: string, around: Surroundings): string | undefined {
  return text === '' ? undefined : resolve(around.baseDir, text);
}

export function parsePlace(text: string, around: Surroundings, stateDir: string): Endpoint {
  if (!text.startsWith('unix:')) return parseAddress(text);
  return { path: resolve(around.baseDir, text.slice('unix:'.length).replace('<state>', stateDir)) };
}

export function seconds(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new Error(`must be ${least} to ${most} seconds`);
    return Math.round(value * 1000);
  };
}

export function count(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < 1 || value > most) {
      throw new Error(`must be a number from 1 to ${most}`);
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

export function oneOf(...choices: string[]): (text: string) => string {
  return (text) => {
    if (!choices.includes(text)) throw new Error(`must be one of ${choices.join(', ')}`);
    return text;
  };
}

const KEY = /^[\x21-\x7e]{32,512}$/;

/** What is wrong with a key of the policy API, without the key; undefined when nothing is. */
export function keyFault(key: string): string | undefined {
  return KEY.test(key) ? undefined : 'each key must be 32 to 512 visible ASCII characters';
}
