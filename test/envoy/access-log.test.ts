import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';
import { LOGGED_METHODS } from '../../src/observe/log-fields.ts';

const config = parse(await loadBundledConfig());
const [log] = config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.access_log;
const format: Record<string, string> = log.typed_config.log_format.json_format;

/** Operators without a length that no client and no sandbox can make longer. */
const BOUNDED: Readonly<Record<string, string>> = {
  '%START_TIME%': 'a time',
  '%RESPONSE_CODE%': 'a number',
  '%RESPONSE_FLAGS%': 'names from a list in Envoy, each at most once',
  '%RESPONSE_CODE_DETAILS%':
    'texts of Envoy; it refuses a length here. The test of the longest line provokes them',
  '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:port)%': 'a number that the gate read',
  '%DURATION%': 'a number',
  "%CEL(size(request.id) < 64 ? request.id : 'long')%": 'the condition bounds it',
};

/** Chooses from a list of words. */
const CHOICE = /^%CEL\(request\.method in \[(?<words>[^\]]*)\] \? request\.method : 'other'\)%$/;

/** `%COMMAND(parameters):length%`; parameters may contain parentheses. */
const OPERATOR = /%[A-Z_]+(?:\(.*?\))?(?::\d+)?%/g;
const WITH_LENGTH = /:(\d+)%$/;

describe('the access log', () => {
  it.each(Object.entries(format))('has a field %s that nobody can make long: %s', (_, text) => {
    const operators = text.match(OPERATOR) ?? [];
    // Anything else in the field would be a text of the config, or an operator that this test does not know.
    expect(operators.join('')).toBe(text);
    for (const operator of operators) {
      const length = Number(WITH_LENGTH.exec(operator)?.[1] ?? Number.POSITIVE_INFINITY);
      if (length <= 64 || CHOICE.test(operator)) continue;
      expect(Object.keys(BOUNDED), `${operator} needs a length`).toContain(operator);
    }
  });

  it('uses every exception of this test', () => {
    const used = Object.values(format).flatMap((text) => text.match(OPERATOR) ?? []);
    expect(Object.keys(BOUNDED).filter((operator) => !used.includes(operator))).toEqual([]);
  });

  it('names the same methods as the gate', () => {
    const words = CHOICE.exec(format.method!)?.groups?.words ?? '';
    expect(words.split(', ').map((word) => word.replaceAll("'", ''))).toEqual(LOGGED_METHODS);
  });
});
